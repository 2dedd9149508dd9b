//! `bennu-ingest dead-letters`.

use std::io::Write as _;

use anyhow::{Context as _, anyhow, bail};
use bennu_domain::otlp::validate_request;
use bennu_domain::span::Span;
use bennu_process::{Process, connect_broker, open_archive};
use bennu_queue::{DeadLetter, DeadLetters};
use bytes::Bytes;
use clap::{Args, Subcommand};

/// Names of spans that `show` prints; all of them are in the file.
const SHOWN_SPANS: usize = 20;

#[derive(Subcommand)]
pub enum DeadLettersAction {
    /// List all of them: id, tenant, spans, bytes, time of receipt, reason.
    List,
    /// Show one: what is known of it, and its spans.
    Show {
        id: String,
        /// Write its spans to this file, as the protobuf of an OTLP export request.
        #[arg(long, value_name = "FILE")]
        save: Option<std::path::PathBuf>,
    },
    /// Have them stored after all, once the cause is mended; those that fail again come back.
    Replay(Chosen),
    /// Delete them for good.
    Drop(Chosen),
}

#[derive(Args)]
#[group(required = true)]
pub struct Chosen {
    /// Ids, as `list` shows them.
    ids: Vec<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl Chosen {
    fn wants(&self, letter: &DeadLetter) -> bool {
        self.all || self.ids.contains(&letter.id)
    }

    /// A slip in an id must not pass for success.
    fn check(&self, done: usize) -> anyhow::Result<()> {
        if !self.all && done < self.ids.len() {
            bail!("{} of {} dead letters were found", done, self.ids.len());
        }
        Ok(())
    }
}

pub async fn dead_letters(process: Process, action: DeadLettersAction) -> anyhow::Result<()> {
    let config = &process.config;
    config.require("BENNU_BROKER_URL", "amqp://…, the broker whose dead letters are meant")?;
    let url = config.broker.as_ref().context("BENNU_BROKER_URL")?;
    let broker = connect_broker(config, url, "bennu dead letters", open_archive(config).await?).await?;
    let letters = broker.dead_letters();
    let done = tokio::select! {
        done = act(&letters, action) => done,
        // What was looked at goes back to its place as the connection ends.
        _ = process.shutdown.fired() => Err(anyhow!("interrupted")),
    };
    broker.close().await;
    done
}

async fn act(letters: &DeadLetters, action: DeadLettersAction) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match action {
        DeadLettersAction::List => {
            for letter in letters.list().await? {
                writeln!(out, "{}", line(&letter))?;
            }
        }
        DeadLettersAction::Show { id, save } => {
            let found = letters.show(&id).await?;
            let (letter, body) = found.with_context(|| format!("there is no dead letter {id}"))?;
            writeln!(out, "{}", describe(&letter, &body))?;
            if let Some(path) = save {
                std::fs::write(&path, &body).with_context(|| path.display().to_string())?;
            }
        }
        DeadLettersAction::Replay(chosen) => {
            let done = letters.replay(|letter| chosen.wants(letter)).await?;
            writeln!(out, "{done} replayed")?;
            chosen.check(done)?;
        }
        DeadLettersAction::Drop(chosen) => {
            let done = letters.drop(|letter| chosen.wants(letter)).await?;
            writeln!(out, "{done} dropped")?;
            chosen.check(done)?;
        }
    }
    Ok(())
}

/// One line a letter; the reason may hold anything and comes last.
fn line(letter: &DeadLetter) -> String {
    let tenant = letter.tenant.map_or_else(|| "?".to_owned(), |tenant| tenant.to_string());
    let received = letter.received_at.map_or_else(|| "?".to_owned(), |time| time.to_string());
    let reason = letter.reason.replace(char::is_control, " ");
    format!(
        "{}\ttenant {tenant}\t{} spans\t{} bytes\t{received}\t{reason}",
        letter.id, letter.spans, letter.bytes
    )
}

fn describe(letter: &DeadLetter, body: &Bytes) -> String {
    let mut lines = vec![line(letter)];
    lines.extend(letter.project.as_ref().map(|project| format!("project {project}")));
    match validate_request(body.clone()) {
        Ok(validated) => {
            let groups = validated.request.into_groups();
            let spans = groups.iter().flat_map(|group| &group.spans).map(Span::decode);
            let spans = spans.filter_map(Result::ok).map(|Span { span_id, trace_id, name, .. }| {
                format!("span {span_id} of trace {trace_id}: {name:?}")
            });
            lines.extend(spans.take(SHOWN_SPANS));
        }
        Err(error) => lines.push(format!("its spans cannot be read: {error}")),
    }
    lines.join("\n")
}
