//! Every message that is sent is marked, every byte that comes is searched for marks: a mark may be seen by the
//! other side of its chat, once, in order, and by no other client.

use std::collections::{BTreeSet, HashMap};

use super::talk::{Role, other};

pub type ClientKey = usize;
pub type ConnectionKey = usize;

/// What stands in front of a mark's number and behind it. No other text of the server has this.
const BEGIN: &str = "mk";
const END: &str = "km";
const DIGITS: usize = 8;

/// A message that was sent.
struct Mark {
    chat: String,
    from: Role,
    sender: ClientKey,
    /// The connection that it was sent over.
    over: ConnectionKey,
    /// Where it was seen.
    seen: Option<ClientKey>,
}

/// Who sent what in which chat, and who may see it.
#[derive(Default)]
pub struct Ledger {
    marks: Vec<Mark>,
    /// The users of each chat, as far as they are known.
    users: HashMap<(String, Role), u64>,
    /// The client that has one side of a chat: the first that received it, or a message in it.
    owners: HashMap<(String, Role), ClientKey>,
    /// The users that a client has asked to be. An id may be asked for by several.
    asked: HashMap<ClientKey, BTreeSet<(Role, u64)>>,
    /// The last mark that a connection has brought a client of those that were sent over another connection.
    last: HashMap<(ConnectionKey, ClientKey, ConnectionKey), usize>,
}

impl Ledger {
    /// A client asks to be a user.
    pub fn ask(&mut self, client: ClientKey, role: Role, user: u64) {
        self.asked.entry(client).or_default().insert((role, user));
    }

    /// A mark for a message that is about to be sent.
    pub fn mark(&mut self, sender: ClientKey, over: ConnectionKey, chat: &str, from: Role) -> String {
        let number = self.marks.len();
        self.marks.push(Mark { chat: chat.into(), from, sender, over, seen: None });
        format!("{BEGIN}{number:0DIGITS$}{END}")
    }

    /// One side of a chat is a certain user's.
    pub fn learn(&mut self, chat: &str, role: Role, user: u64) -> Result<(), String> {
        let known = *self.users.entry((chat.into(), role)).or_insert(user);
        if known == user { Ok(()) } else { Err(format!("the {role} of {chat} is {known} and {user}")) }
    }

    pub fn user(&self, chat: &str, role: Role) -> Option<u64> {
        self.users.get(&(chat.to_owned(), role)).copied()
    }

    /// Something that is for one side of a chat has come to one of these clients. Returns which.
    pub fn evidence(&mut self, chat: &str, role: Role, clients: &[ClientKey]) -> Result<ClientKey, String> {
        let user = self.user(chat, role);
        let may_be = |client: &&ClientKey| {
            let asked = self.asked.get(client);
            asked.is_some_and(|asked| {
                asked.iter().any(|&(of, id)| of == role && user.is_none_or(|user| user == id))
            })
        };
        let candidates: Vec<ClientKey> = clients.iter().filter(may_be).copied().collect();
        match (self.owners.get(&(chat.to_owned(), role)), &candidates[..]) {
            (Some(owner), _) if candidates.contains(owner) => Ok(*owner),
            (Some(owner), _) => Err(format!("client {owner} has it")),
            (None, []) => Err(format!("none of the clients asked to be {role} {user:?}")),
            (None, &[first, ..]) => {
                if candidates.len() == 1 {
                    self.owners.insert((chat.into(), role), first);
                }
                Ok(first)
            }
        }
    }

    /// Looks for marks in what a connection has brought for one of these clients.
    pub fn search(&mut self, text: &str, over: ConnectionKey, clients: &[ClientKey]) -> Result<(), String> {
        for (at, _) in text.match_indices(BEGIN) {
            let number =
                text.get(at + BEGIN.len()..at + BEGIN.len() + DIGITS).and_then(|text| text.parse().ok());
            let is_mark = text.get(at + BEGIN.len() + DIGITS..).is_some_and(|rest| rest.starts_with(END));
            if let (Some(number), true) = (number, is_mark) {
                self.see(number, over, clients).map_err(|why| format!("{why}\n  in {text}"))?;
            }
        }
        Ok(())
    }

    fn see(&mut self, number: usize, over: ConnectionKey, clients: &[ClientKey]) -> Result<(), String> {
        let Some(Mark { chat, from, sender, over: sent_over, seen }) = self.marks.get(number) else {
            return Err(format!("mark {number} was never sent"));
        };
        let (chat, from, sender, sent_over, seen) = (chat.clone(), *from, *sender, *sent_over, *seen);
        let what = format!("mark {number} of client {sender} in chat {chat} from the {from}");
        let fail =
            |why: String| Err(format!("{what} came to connection {over} of clients {clients:?}: {why}"));
        let to = match self.evidence(&chat, other(from), clients) {
            Ok(to) => to,
            Err(why) => return fail(why),
        };
        if let Err(why) = self.evidence(&chat, from, &[sender]) {
            return fail(format!("the sender is not in the chat: {why}"));
        }
        if let Some(seen) = seen {
            return fail(format!("client {seen} had it before"));
        }
        if let Some(last) = self.last.insert((over, to, sent_over), number).filter(|last| *last > number) {
            return fail(format!("mark {last}, which was sent later, came before"));
        }
        self.marks[number].seen = Some(to);
        Ok(())
    }

    /// How many marks were sent, and how many came.
    pub fn counts(&self) -> (usize, usize) {
        (self.marks.len(), self.marks.iter().filter(|mark| mark.seen.is_some()).count())
    }

    /// The senders and recipients of the marks that came.
    pub fn deliveries(&self) -> impl Iterator<Item = (ClientKey, ClientKey)> {
        self.marks.iter().filter_map(|mark| Some((mark.sender, mark.seen?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients 1 and 2 are the teacher and the student of a chat; client 3 is a stranger.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.ask(1, "teacher", 10);
        ledger.ask(2, "student", 20);
        ledger.ask(3, "student", 30);
        ledger.learn("C", "teacher", 10).unwrap();
        ledger.learn("C", "student", 20).unwrap();
        ledger
    }

    #[test]
    fn a_mark_is_for_the_other_side_once_and_in_order() {
        let mut ledger = ledger();
        let marks: Vec<_> = (0..3).map(|_| ledger.mark(1, 5, "C", "teacher")).collect();
        ledger.search(&format!("{} {}", marks[0], marks[2]), 6, &[2]).unwrap();
        assert!(ledger.search(&marks[1], 6, &[2]).unwrap_err().contains("came before"));
        assert!(ledger.search(&marks[0], 6, &[2]).unwrap_err().contains("had it before"));
        assert_eq!(ledger.counts(), (3, 2));
    }

    #[test]
    fn a_mark_is_not_for_a_stranger_nor_for_its_sender_nor_from_a_stranger() {
        let mut ledger = ledger();
        let mark = ledger.mark(1, 5, "C", "teacher");
        assert!(ledger.search(&mark, 7, &[3]).unwrap_err().contains("none of the clients"));
        assert!(ledger.search(&mark, 5, &[1]).unwrap_err().contains("none of the clients"));
        let forged = ledger.mark(3, 7, "C", "teacher");
        assert!(ledger.search(&forged, 6, &[2]).unwrap_err().contains("the sender is not in the chat"));
    }

    #[test]
    fn of_two_who_ask_for_the_same_id_one_has_the_chat() {
        let mut ledger = ledger();
        ledger.ask(3, "student", 20);
        ledger.evidence("C", "student", &[2]).unwrap();
        let mark = ledger.mark(1, 5, "C", "teacher");
        assert!(ledger.search(&mark, 7, &[3]).unwrap_err().contains("client 2 has it"));
        ledger.search(&mark, 7, &[3, 2]).unwrap();
    }
}
