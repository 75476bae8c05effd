//! The page that a browser gets: one document, put together when the program is built.

use super::response::Response;

/// The scripts are one module, so each file may use what those before it declare.
const PAGE: &str = concat!(
    include_str!("page/head.html"),
    "<style>\n",
    include_str!("page/style.css"),
    include_str!("page/conversation.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script type=\"module\">\n",
    include_str!("page/phoenix.js"),
    include_str!("page/document.js"),
    include_str!("page/plot.js"),
    include_str!("page/figures.js"),
    include_str!("page/conversation.js"),
    include_str!("page/user.js"),
    include_str!("page/main.js"),
    "</script>\n",
);

/// Nothing but what the page itself holds, and sockets back to this server. The document is a constant, so what is
/// inline in it is ours. Trusted types forbid to make markup of text, so that what users write stays text.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The answer to a browser that asks for the page.
pub fn response() -> Response {
    Response::new("text/html; charset=utf-8", PAGE.as_bytes())
        .with("Vary", "Accept")
        .with("Content-Security-Policy", POLICY)
        .uncached()
}
