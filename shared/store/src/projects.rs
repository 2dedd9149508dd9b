//! Projects: list, look up, create, describe. Deleting one is in [`crate::deletion`].

use bennu_domain::audit::AuditAction;
use bennu_domain::facets::storable_text;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::ProjectId;
use bennu_domain::page::Page;
use bennu_domain::project::ProjectName;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, Set, TryInsertResult,
};

use crate::audit::AuditEntry;
use crate::entities::project;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Projects read at once when names are searched.
const NAMES_READ: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub id: ProjectId,
    pub name: String,
    pub description: Option<String>,
}

/// Which projects to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct ProjectList {
    pub limit: usize,
    /// First project of the page.
    pub from: Option<ProjectId>,
    /// Part of the name, in any case.
    pub name_contains: Option<String>,
}

impl From<project::Model> for Project {
    fn from(row: project::Model) -> Self {
        Self { id: ProjectId(row.id), name: row.name, description: row.description }
    }
}

impl ScopedStore<'_> {
    fn projects(self) -> Select<project::Entity> {
        project::Entity::find().filter(project::Column::TenantId.eq(self.tenant))
    }

    pub async fn project(self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        let found = self.projects().filter(project::Column::Id.eq(id.0)).one(&self.reads()).await?;
        Ok(found.map(Project::from))
    }

    pub async fn project_named(self, name: &str) -> Result<Option<Project>, StoreError> {
        let Some(name) = ProjectName::new(name) else { return Ok(None) };
        let found =
            self.projects().filter(project::Column::Name.eq(name.as_str())).one(&self.reads()).await?;
        Ok(found.map(Project::from))
    }

    pub async fn list_projects(self, list: &ProjectList) -> Result<Page<Project, ProjectId>, StoreError> {
        let wanted = list.limit + 1;
        let part = list.name_contains.as_deref().unwrap_or_default().to_lowercase();
        let mut items: Vec<Project> = Vec::new();
        let mut below = list.from.map_or(i64::MAX, |from| from.0.saturating_add(1));
        // Names are compared here because SQLite knows the case of ASCII letters only.
        loop {
            let rows =
                self.projects().filter(project::Column::Id.lt(below)).order_by_desc(project::Column::Id);
            let rows = rows.limit(wanted.max(NAMES_READ) as u64).all(&self.reads()).await?;
            let Some(last) = rows.last() else { break };
            below = last.id;
            let fitting = rows.into_iter().filter(|row| row.name.to_lowercase().contains(&part));
            items.extend(fitting.map(Project::from));
            if items.len() >= wanted {
                break;
            }
        }
        let next = items.get(list.limit).map(|project| project.id);
        items.truncate(list.limit);
        Ok(Page { items, next })
    }

    /// `None` if the name is taken.
    pub async fn create_project(
        self,
        name: &ProjectName,
        description: Option<String>,
    ) -> Result<Option<Project>, StoreError> {
        let row = project::ActiveModel {
            tenant_id: Set(self.tenant),
            id: NotSet,
            name: Set(name.as_str().to_owned()),
            description: Set(description.as_deref().map(storable_text)),
            created_at: Set(self.store.now()),
        };
        let name_taken =
            OnConflict::columns([project::Column::TenantId, project::Column::Name]).do_nothing().to_owned();
        let insert = project::Entity::insert(row).on_conflict(name_taken).try_insert();
        let transaction = self.begin().await?;
        let inserted = insert.exec_without_returning(&transaction).await?;
        if !matches!(inserted, TryInsertResult::Inserted(rows) if rows > 0) {
            return Ok(None);
        }
        let row = self.projects().filter(project::Column::Name.eq(name.as_str())).one(&transaction).await?;
        let Some(created) = row.map(Project::from) else { return Ok(None) };
        let entry = AuditEntry::new(AuditAction::CreateProject, created.id.global_id());
        self.record_in(&transaction, entry.with("name", created.name.as_str())).await?;
        transaction.commit().await?;
        Ok(Some(created))
    }

    /// `None` if there is no such project.
    pub async fn describe_project(
        self,
        id: ProjectId,
        description: Option<String>,
    ) -> Result<Option<Project>, StoreError> {
        let transaction = self.begin().await?;
        let updated = project::Entity::update_many()
            .col_expr(project::Column::Description, Expr::value(description.as_deref().map(storable_text)))
            .filter(project::Column::TenantId.eq(self.tenant))
            .filter(project::Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        if updated.rows_affected > 0 {
            let entry = AuditEntry::new(AuditAction::ChangeProject, id.global_id());
            self.record_in(&transaction, entry.with("changed", ["description"].as_slice())).await?;
        }
        transaction.commit().await?;
        self.project(id).await
    }
}
