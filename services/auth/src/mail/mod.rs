//! Mails to people: links that set a password, welcomes and invitations.
//!
//! Nobody waits for a mail server: an order is taken at once, and carried out beside the requests. Orders are kept in memory; who
//! gets no mail asks for another.

mod letter;
mod outbox;
mod postman;

pub use letter::{Letter, MailKind};
pub use outbox::{Order, Outbox};
pub use postman::{MailRoute, Postman};
