//! Projects: list, look up, create, describe. Deleting one is in [`crate::deletion`].

use bennu_domain::ids::ProjectId;
use bennu_domain::page::Page;
use bennu_domain::project::ProjectName;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LikeExpr, OnConflict};
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Set,
    TryInsertResult,
};

use crate::entities::project;
use crate::error::StoreError;
use crate::store::ScopedStore;

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
        let found = self.projects().filter(project::Column::Id.eq(id.0)).one(&self.store.read).await?;
        Ok(found.map(Project::from))
    }

    pub async fn project_named(self, name: &str) -> Result<Option<Project>, StoreError> {
        let found = self.projects().filter(project::Column::Name.eq(name)).one(&self.store.read).await?;
        Ok(found.map(Project::from))
    }

    pub async fn list_projects(self, list: &ProjectList) -> Result<Page<Project, ProjectId>, StoreError> {
        let mut query = self.projects().order_by_desc(project::Column::Id).limit(list.limit as u64 + 1);
        if let Some(from) = list.from {
            query = query.filter(project::Column::Id.lte(from.0));
        }
        if let Some(part) = &list.name_contains {
            let name = Func::lower(Expr::col(project::Column::Name));
            query = query.filter(Expr::expr(name).like(contains_pattern(part)));
        }
        let rows = query.all(&self.store.read).await?;
        let mut items: Vec<Project> = rows.into_iter().map(Project::from).collect();
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
            description: Set(description),
            created_at: Set(self.store.now()),
        };
        let name_taken = OnConflict::columns([project::Column::TenantId, project::Column::Name]).do_nothing().to_owned();
        let insert = project::Entity::insert(row).on_conflict(name_taken).try_insert();
        match insert.exec_with_returning(&self.store.write).await? {
            TryInsertResult::Inserted(row) => Ok(Some(row.into())),
            TryInsertResult::Conflicted | TryInsertResult::Empty => Ok(None),
        }
    }

    /// `None` if there is no such project.
    pub async fn describe_project(
        self,
        id: ProjectId,
        description: Option<String>,
    ) -> Result<Option<Project>, StoreError> {
        project::Entity::update_many()
            .col_expr(project::Column::Description, Expr::value(description))
            .filter(project::Column::TenantId.eq(self.tenant))
            .filter(project::Column::Id.eq(id.0))
            .exec(&self.store.write)
            .await?;
        self.project(id).await
    }
}

fn contains_pattern(part: &str) -> LikeExpr {
    let escaped = part.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    LikeExpr::new(format!("%{escaped}%")).escape('\\')
}
