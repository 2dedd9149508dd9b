//! Annotation configs, and the projects that use them.

use bennu_domain::annotation_config::{AnnotationConfig, ConfigKind};
use bennu_domain::audit::AuditAction;
use bennu_domain::facets::storable_text;
use bennu_domain::global_id;
use bennu_domain::ids::{AnnotationConfigId, ProjectId};
use bennu_domain::page::Page;
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, Condition, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Set, TryInsertResult,
};

use crate::audit::AuditEntry;
use crate::entities::{annotation_config, project, project_annotation_config as assignment};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

#[derive(Debug, Clone, PartialEq)]
pub struct StoredAnnotationConfig {
    pub id: AnnotationConfigId,
    pub config: AnnotationConfig,
}

/// What became of a change of a config.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigChange {
    Done(StoredAnnotationConfig),
    NameTaken,
    NoSuchConfig,
}

/// What became of an assignment of configs to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    Done,
    NoSuchProject,
    NoSuchConfig,
}

impl ScopedStore<'_> {
    fn annotation_configs(self) -> Select<annotation_config::Entity> {
        annotation_config::Entity::find().filter(annotation_config::Column::TenantId.eq(self.tenant))
    }

    /// Newest first; those of a project only, if one is given.
    pub async fn list_annotation_configs(
        self,
        project: Option<ProjectId>,
        from: Option<AnnotationConfigId>,
        limit: usize,
    ) -> Result<Page<StoredAnnotationConfig, AnnotationConfigId>, StoreError> {
        let of_project = project.map(|project| {
            let assigned = Query::select()
                .column(assignment::Column::ConfigId)
                .from(assignment::Entity)
                .and_where(assignment::Column::TenantId.eq(self.tenant))
                .and_where(assignment::Column::ProjectId.eq(project.0))
                .take();
            annotation_config::Column::Id.in_subquery(assigned)
        });
        let in_page = from.map(|from| annotation_config::Column::Id.lte(from.0));
        let mut rows = self
            .annotation_configs()
            .filter(Condition::all().add_option(of_project).add_option(in_page))
            .order_by_desc(annotation_config::Column::Id)
            .limit(limit as u64 + 1)
            .all(&self.reads())
            .await?;
        let next = rows.get(limit).map(|row| AnnotationConfigId(row.id));
        rows.truncate(limit);
        Ok(Page { items: rows.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    pub async fn annotation_config(
        self,
        id: AnnotationConfigId,
    ) -> Result<Option<StoredAnnotationConfig>, StoreError> {
        let row = self
            .annotation_configs()
            .filter(annotation_config::Column::Id.eq(id.0))
            .one(&self.reads())
            .await?;
        row.map(read).transpose()
    }

    pub async fn annotation_config_named(
        self,
        name: &str,
    ) -> Result<Option<StoredAnnotationConfig>, StoreError> {
        let named = annotation_config::Column::Name.eq(storable_text(name));
        let row = self.annotation_configs().filter(named).one(&self.reads()).await?;
        row.map(read).transpose()
    }

    pub async fn create_annotation_config(
        self,
        config: &AnnotationConfig,
    ) -> Result<ConfigChange, StoreError> {
        let row = annotation_config::ActiveModel {
            tenant_id: Set(self.tenant),
            id: NotSet,
            name: Set(storable_text(&config.name)),
            description: Set(config.description.as_deref().map(storable_text)),
            config: Set(written(&config.kind)?),
        };
        let taken =
            OnConflict::columns([annotation_config::Column::TenantId, annotation_config::Column::Name])
                .do_nothing()
                .to_owned();
        let insert = annotation_config::Entity::insert(row).on_conflict(taken).try_insert();
        let transaction = self.begin().await?;
        let inserted = insert.exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        match inserted {
            TryInsertResult::Inserted(rows) if rows > 0 => {
                let created = self.annotation_config_named(&config.name).await?;
                Ok(created.map_or(ConfigChange::NoSuchConfig, ConfigChange::Done))
            }
            _ => Ok(ConfigChange::NameTaken),
        }
    }

    /// Replaces all of a config but its id.
    pub async fn update_annotation_config(
        self,
        id: AnnotationConfigId,
        config: &AnnotationConfig,
    ) -> Result<ConfigChange, StoreError> {
        let transaction = self.begin().await?;
        let found = annotation_config::Entity::find_by_id((self.tenant, id.0))
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Some(row) = found else { return Ok(ConfigChange::NoSuchConfig) };
        let name = storable_text(&config.name);
        let other = self
            .annotation_configs()
            .filter(annotation_config::Column::Name.eq(name.as_str()))
            .filter(annotation_config::Column::Id.ne(id.0))
            .one(&transaction)
            .await?;
        if other.is_some() {
            return Ok(ConfigChange::NameTaken);
        }
        let mut row = row.into_active_model();
        row.name = Set(name);
        row.description = Set(config.description.as_deref().map(storable_text));
        row.config = Set(written(&config.kind)?);
        let updated = annotation_config::Entity::update(row).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(ConfigChange::Done(read(updated)?))
    }

    /// Answers what the config was; `None` if there is none. Projects no longer use it.
    pub async fn delete_annotation_config(
        self,
        id: AnnotationConfigId,
    ) -> Result<Option<StoredAnnotationConfig>, StoreError> {
        let transaction = self.begin().await?;
        let found = annotation_config::Entity::find_by_id((self.tenant, id.0))
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Some(row) = found else { return Ok(None) };
        annotation_config::Entity::delete_by_id((self.tenant, id.0)).exec(&transaction).await?;
        assignment::Entity::delete_many()
            .filter(assignment::Column::TenantId.eq(self.tenant))
            .filter(assignment::Column::ConfigId.eq(id.0))
            .exec(&transaction)
            .await?;
        let deleted = read(row)?;
        let target = global_id::write(deleted.config.kind.type_name(), deleted.id.0);
        let entry = AuditEntry::new(AuditAction::DeleteAnnotationConfig, target);
        self.record_in(&transaction, entry.with("name", deleted.config.name.as_str())).await?;
        transaction.commit().await?;
        self.store.forget_deleted_pages().await?;
        Ok(Some(deleted))
    }

    /// The project uses the config from now on; it may already.
    pub async fn assign_annotation_config(
        self,
        project: ProjectId,
        config: AnnotationConfigId,
    ) -> Result<Assignment, StoreError> {
        let transaction = self.begin().await?;
        match self.hold_configs(&transaction, project, &[config]).await? {
            Assignment::Done => self.insert_assignments(&transaction, project, &[config]).await?,
            missing => return Ok(missing),
        }
        transaction.commit().await?;
        Ok(Assignment::Done)
    }

    pub async fn unassign_annotation_config(
        self,
        project: ProjectId,
        config: AnnotationConfigId,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        assignment::Entity::delete_by_id((self.tenant, project.0, config.0)).exec(&transaction).await?;
        transaction.commit().await
    }

    /// The project uses exactly these configs from now on, or, if one does not exist, those that it did before.
    pub async fn set_annotation_configs(
        self,
        project: ProjectId,
        configs: &[AnnotationConfigId],
    ) -> Result<Assignment, StoreError> {
        let mut configs = configs.to_vec();
        configs.sort_unstable();
        configs.dedup();
        let transaction = self.begin().await?;
        match self.hold_configs(&transaction, project, &configs).await? {
            Assignment::Done => {}
            missing => return Ok(missing),
        }
        self.drop_assignments(&transaction, project).await?;
        self.insert_assignments(&transaction, project, &configs).await?;
        transaction.commit().await?;
        Ok(Assignment::Done)
    }

    pub(crate) async fn drop_assignments(
        self,
        transaction: &WriteTransaction,
        project: ProjectId,
    ) -> Result<(), StoreError> {
        assignment::Entity::delete_many()
            .filter(assignment::Column::TenantId.eq(self.tenant))
            .filter(assignment::Column::ProjectId.eq(project.0))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// The project and the configs are there, and stay until the commit.
    async fn hold_configs(
        self,
        transaction: &WriteTransaction,
        project: ProjectId,
        configs: &[AnnotationConfigId],
    ) -> Result<Assignment, StoreError> {
        let held =
            project::Entity::find_by_id((self.tenant, project.0)).lock_shared().one(transaction).await?;
        if held.is_none() {
            return Ok(Assignment::NoSuchProject);
        }
        let held = self
            .annotation_configs()
            .filter(annotation_config::Column::Id.is_in(configs.iter().map(|config| config.0)))
            .order_by_asc(annotation_config::Column::Id)
            .lock_shared()
            .all(transaction)
            .await?;
        Ok(if held.len() == configs.len() { Assignment::Done } else { Assignment::NoSuchConfig })
    }

    async fn insert_assignments(
        self,
        transaction: &WriteTransaction,
        project: ProjectId,
        configs: &[AnnotationConfigId],
    ) -> Result<(), StoreError> {
        if configs.is_empty() {
            return Ok(());
        }
        let rows = configs.iter().map(|config| assignment::ActiveModel {
            tenant_id: Set(self.tenant),
            project_id: Set(project.0),
            config_id: Set(config.0),
        });
        let known = OnConflict::columns([
            assignment::Column::TenantId,
            assignment::Column::ProjectId,
            assignment::Column::ConfigId,
        ])
        .do_nothing()
        .to_owned();
        let insert = assignment::Entity::insert_many(rows).on_conflict(known).try_insert();
        insert.exec_without_returning(transaction).await?;
        Ok(())
    }
}

fn written(kind: &ConfigKind) -> Result<String, StoreError> {
    serde_json::to_string(kind).map_err(|error| StoreError::Database(sea_orm::DbErr::Json(error.to_string())))
}

fn read(row: annotation_config::Model) -> Result<StoredAnnotationConfig, StoreError> {
    let kind = serde_json::from_str(&row.config)
        .map_err(|error| StoreError::Database(sea_orm::DbErr::Json(error.to_string())))?;
    let config = AnnotationConfig { name: row.name, description: row.description, kind };
    Ok(StoredAnnotationConfig { id: AnnotationConfigId(row.id), config })
}
