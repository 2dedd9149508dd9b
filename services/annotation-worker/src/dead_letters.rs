//! `dead-letters`: for operators, who see the failures of every tenant.

use bennu_access::{SystemScope, TenantScope};
use bennu_domain::ids::TenantId;
use bennu_queue::{AnnotationJobs, replay};
use bennu_store::{AnnotationFailure, FailureSelection, Store};
use clap::Subcommand;
use uuid::Uuid;

/// Failures read at once.
const A_PAGE: usize = 500;

#[derive(Subcommand)]
pub enum Action {
    /// List them, newest first.
    List {
        /// Of this tenant only.
        #[arg(long)]
        tenant: Option<i64>,
    },
    /// Show one as JSON.
    Show {
        #[arg(long, default_value_t = TenantId::DEFAULT.0)]
        tenant: i64,
        id: i64,
    },
    /// Queue some again, or all of a tenant.
    Replay(Selection),
    /// Drop some for good, or all of a tenant.
    Drop(Selection),
}

#[derive(clap::Args)]
pub struct Selection {
    #[arg(long, default_value_t = TenantId::DEFAULT.0)]
    tenant: i64,
    #[arg(long, conflicts_with = "ids", required_unless_present = "ids")]
    all: bool,
    ids: Vec<i64>,
}

impl Selection {
    fn read(self) -> (TenantScope, FailureSelection) {
        let selection = if self.all { FailureSelection::All } else { FailureSelection::Ids(self.ids) };
        (scope(self.tenant), selection)
    }
}

fn scope(tenant: i64) -> TenantScope {
    SystemScope::for_tenant(TenantId(tenant), "an operator looks after annotations that failed")
}

pub async fn run(store: &Store, jobs: &dyn AnnotationJobs, action: Action) -> anyhow::Result<()> {
    match action {
        Action::List { tenant } => list(store, tenant).await,
        Action::Show { tenant, id } => show(store, tenant, id).await,
        Action::Replay(selection) => {
            let (scope, selection) = selection.read();
            let receipt = Uuid::new_v4().simple().to_string();
            let replayed = replay(store.scoped(&scope), &scope, jobs, &selection, &receipt).await?;
            println!("{replayed} queued again, receipt {receipt}");
            Ok(())
        }
        Action::Drop(selection) => {
            let (scope, selection) = selection.read();
            let dropped = store.scoped(&scope).drop_annotation_failures(&selection, None).await?;
            println!("{dropped} dropped");
            Ok(())
        }
    }
}

async fn list(store: &Store, only: Option<i64>) -> anyhow::Result<()> {
    for (tenant, _) in store.tenants_with_annotation_failures().await? {
        if only.is_some_and(|only| only != tenant.0) {
            continue;
        }
        let mut from = None;
        loop {
            let page =
                store.scoped(&scope(tenant.0)).annotation_failures(&FailureSelection::All, from, A_PAGE);
            let page = page.await?;
            page.items.iter().for_each(|failure| println!("{}", line(tenant, failure)));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    Ok(())
}

fn line(tenant: TenantId, failure: &AnnotationFailure) -> String {
    let AnnotationFailure { id, failed, reason, annotation, .. } = failure;
    let target = &annotation.target;
    let what = format!("{} of {} {}", annotation.name, target.kind().as_str(), target.id());
    format!("tenant {}  id {id}  {failed}  {what}: {reason}", tenant.0)
}

async fn show(store: &Store, tenant: i64, id: i64) -> anyhow::Result<()> {
    let store = store.scoped(&scope(tenant));
    let page = store.annotation_failures(&FailureSelection::Ids(vec![id]), None, 1).await?;
    let Some(failure) = page.items.into_iter().next() else {
        anyhow::bail!("tenant {tenant} has no failed annotation {id}");
    };
    let shown = serde_json::json!({
        "id": failure.id,
        "receipt": failure.receipt,
        "index": failure.index,
        "received_at": failure.received.to_string(),
        "failed_at": failure.failed.to_string(),
        "reason": failure.reason,
        "annotation": failure.annotation,
    });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}
