//! The command line of `compare`.

use std::path::PathBuf;

use lexopt::prelude::*;

/// The saved results of several servers' runs, to be laid side by side.
#[derive(Debug, PartialEq, Eq)]
pub struct Comparison {
    pub out: PathBuf,
    /// A server's name and a round's file.
    pub files: Vec<(String, PathBuf)>,
}

/// Reads what follows `compare`.
pub fn parse(parser: &mut lexopt::Parser) -> Result<Comparison, String> {
    let mut words = Vec::new();
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        let Value(word) = arg else {
            return Err(arg.unexpected().to_string());
        };
        words.push(word);
    }
    let mut words = words.into_iter();
    let out = words.next().ok_or("compare: which HTML file to write?")?.into();
    let files = words.map(|word| {
        let word = word.to_string_lossy();
        let (name, path) = word.split_once('=').ok_or(format!("compare: {word:?} is not NAME=FILE.json"))?;
        Ok((name.to_owned(), path.into()))
    });
    let files = files.collect::<Result<Vec<_>, String>>()?;
    if files.is_empty() {
        return Err("compare: nothing to compare".into());
    }
    Ok(Comparison { out, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Request;
    use std::ffi::OsString;

    #[test]
    fn compare_takes_names_and_files() {
        let parse = |line: &str| crate::options::parse(line.split_whitespace().map(OsString::from));
        let Ok(Request::Compare(comparison)) = parse("compare o.html a=1.json b=2.json a=3.json") else {
            panic!("not understood");
        };
        assert_eq!(comparison.out, PathBuf::from("o.html"));
        assert_eq!(comparison.files[1], ("b".to_owned(), PathBuf::from("2.json")));
        assert_eq!(comparison.files.len(), 3);
        for line in ["compare", "compare o.html", "compare o.html a", "compare o.html --a=b"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
