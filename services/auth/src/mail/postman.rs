//! Carries mails to the mail server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bennu_access::{ResetClaims, SigningKeys};
use bennu_domain::account::{AuthMethod, Email};
use bennu_domain::ids::UserId;
use bennu_domain::time::Clock;
use bennu_kit::config::{SmtpSecurity, SmtpSettings};
use bennu_kit::telemetry::MailMetrics;
use bennu_store::{Account, Store, StoreError};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{Letter, Order};

/// A server that does not answer a command by then is away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// For all of a mail: connection, TLS, log-in, and the mail itself.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);
/// Pauses before further attempts: a server that defers mails of strangers takes them a little later.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(20)];
/// People may be away when their account is made; the link is good once.
const WELCOME_LIFE: Duration = Duration::from_hours(7 * 24);

/// The path of the page where people set a password by a link.
const RESET_PAGE: &str = "/reset-password-with-token?token=";

/// Writes and sends letters.
pub struct Postman {
    pub store: Store,
    pub keys: SigningKeys,
    pub clock: Arc<dyn Clock>,
    pub reset_life: Duration,
    pub route: MailRoute,
    pub metrics: MailMetrics,
}

/// The way of a mail: from whom, and by which server.
pub struct MailRoute {
    from: Mailbox,
    server: AsyncSmtpTransport<Tokio1Executor>,
}

impl MailRoute {
    pub fn new(settings: &SmtpSettings) -> anyhow::Result<Self> {
        let from = settings.from.parse().context("BENNU_SMTP_MAIL_FROM")?;
        let tls = || {
            TlsParameters::builder(settings.host.clone())
                .dangerous_accept_invalid_certs(!settings.checks_certificates)
                .dangerous_accept_invalid_hostnames(!settings.checks_certificates)
                .build()
                .context("BENNU_SMTP_HOSTNAME")
        };
        let tls = match settings.security {
            SmtpSecurity::StartTls => Tls::Required(tls()?),
            SmtpSecurity::Tls => Tls::Wrapper(tls()?),
            SmtpSecurity::None => Tls::None,
        };
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(ANSWER_TIMEOUT));
        if let Some((user, password)) = &settings.login {
            server = server.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self { from, server: server.build() })
    }

    fn message(&self, letter: &Letter) -> anyhow::Result<Message> {
        let to = Mailbox::new(None, letter.to.as_str().parse()?);
        let head = Message::builder().from(self.from.clone()).to(to).subject(&letter.subject);
        Ok(head.header(ContentType::TEXT_PLAIN).body(letter.text.clone())?)
    }

    /// `Err(true)`: another attempt may do better.
    async fn send(&self, message: Message) -> Result<(), (bool, String)> {
        match tokio::time::timeout(MAIL_TIMEOUT, self.server.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err((!error.is_permanent(), chain(&error))),
            Err(_) => Err((true, "the mail server takes too long".to_owned())),
        }
    }
}

impl Postman {
    /// Says at the start what would otherwise be found out with the first mail.
    pub(super) async fn introduce(&self) {
        let tried = tokio::time::timeout(MAIL_TIMEOUT, self.route.server.test_connection()).await;
        let error = match tried {
            Ok(Ok(true)) => return,
            Ok(Ok(false)) => "it does not answer as a mail server".to_owned(),
            Ok(Err(error)) => chain(&error),
            Err(_) => "it takes too long".to_owned(),
        };
        tracing::warn!(error, "BENNU_SMTP_HOSTNAME: the mail server cannot be used for now");
    }

    pub(super) async fn carry_out(&self, order: Order) {
        let kind = order.kind().as_str();
        let is_sent = match self.letter(order).await {
            Ok(Some(letter)) => self.deliver(&letter).await,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "a mail could not be written");
                false
            }
        };
        if is_sent { self.metrics.sent(kind) } else { self.metrics.failed(kind) }
    }

    /// None if there is nobody to write to.
    async fn letter(&self, order: Order) -> anyhow::Result<Option<Letter>> {
        Ok(match order {
            Order::Written(letter) => Some(letter),
            Order::PasswordReset { email, site } => {
                let account = self.store.directory("a password is reset").account_of(&email).await?;
                let person = |account: &Account| {
                    account.auth_method == AuthMethod::Local && account.id != UserId::SYSTEM
                };
                match account.filter(person) {
                    Some(account) => {
                        let link = self.reset_link(&account, &site, self.reset_life)?;
                        Some(Letter::password_reset(email, &link, self.reset_life))
                    }
                    None => None,
                }
            }
            Order::Welcome { user, site } => {
                let account: Result<_, StoreError> =
                    self.store.directory("a new member is welcome").account(user).await;
                let Some(account) = account? else { return Ok(None) };
                let Some(email) = account.email.as_deref() else { return Ok(None) };
                let email = Email::parse(email)?;
                if account.auth_method == AuthMethod::Local {
                    let link = self.reset_link(&account, &site, WELCOME_LIFE)?;
                    Some(Letter::welcome(email, &site, Some((&link, WELCOME_LIFE))))
                } else {
                    Some(Letter::welcome(email, &site, None))
                }
            }
        })
    }

    fn reset_link(&self, account: &Account, site: &str, life: Duration) -> anyhow::Result<String> {
        let claims = ResetClaims { user: account.id.0, password_set_at: account.password_set_at.0 };
        let now = self.clock.now();
        let token = self.keys.sign(claims, now, now.after(life))?;
        Ok(format!("{site}{RESET_PAGE}{token}"))
    }

    /// Whether the mail server took it. Neither the address nor the text is logged: one is a person's, the other holds a token.
    async fn deliver(&self, letter: &Letter) -> bool {
        let subject = letter.subject.as_str();
        let message = match self.route.message(letter) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), subject, "no mail can be sent there");
                return false;
            }
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match self.route.send(message.clone()).await {
                Ok(()) => {
                    tracing::info!(subject, "a mail was sent");
                    return true;
                }
                Err((true, error)) => error,
                Err((false, error)) => {
                    tracing::error!(error, subject, "a mail was refused");
                    return false;
                }
            };
            let Some(pause) = pauses.next() else {
                tracing::error!(error, subject, "a mail could not be sent");
                return false;
            };
            tracing::warn!(error, subject, "a mail is tried again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// The error with its sources.
fn chain(error: &lettre::transport::smtp::Error) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
