//! Annotations of spans, traces, sessions and documents; how they are asked for; and what they come to.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // `target_row_id` is a row of `spans` (kinds 1 and 4), `traces` (2) or `sessions` (3); `position` is that of the
    // document, else 0. `metadata` is text, so that it comes back as it was sent. `updated_at` is the time of receipt of
    // what the row says now.
    "CREATE TABLE annotations (
        tenant_id BIGINT NOT NULL,
        id {ID},
        project_id BIGINT NOT NULL,
        target_kind SMALLINT NOT NULL,
        target_row_id BIGINT NOT NULL,
        position BIGINT NOT NULL,
        name TEXT NOT NULL,
        identifier TEXT NOT NULL,
        annotator_kind SMALLINT NOT NULL,
        source SMALLINT NOT NULL,
        user_id BIGINT,
        label TEXT,
        score DOUBLE PRECISION,
        explanation TEXT,
        metadata TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
        {KEY}
    )",
    "CREATE UNIQUE INDEX annotations_by_target ON annotations
        (tenant_id, target_kind, target_row_id, position, name, identifier)",
    "CREATE INDEX annotations_by_time ON annotations (tenant_id, project_id, target_kind, created_at)",
    "CREATE INDEX annotations_by_identifier ON annotations (tenant_id, project_id, target_kind, identifier, id)
        WHERE identifier <> ''",
    // Counts and sums by hour of creation, kept by every change of an annotation. `label` is `=` and the label cut to
    // fit, or empty for annotations without one.
    "CREATE TABLE annotation_summaries (
        tenant_id BIGINT NOT NULL,
        project_id BIGINT NOT NULL,
        target_kind SMALLINT NOT NULL,
        name TEXT NOT NULL,
        hour BIGINT NOT NULL,
        label TEXT NOT NULL,
        annotations BIGINT NOT NULL,
        scores BIGINT NOT NULL,
        score_sum DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (tenant_id, project_id, target_kind, name, hour, label)
    )",
    // `config` is the JSON of what differs between the kinds.
    "CREATE TABLE annotation_configs (
        tenant_id BIGINT NOT NULL,
        id {ID},
        name TEXT NOT NULL,
        description TEXT,
        config TEXT NOT NULL,
        UNIQUE (tenant_id, name)
        {KEY}
    )",
    "INSERT INTO annotation_configs (tenant_id, name, description, config) VALUES (1, 'user_feedback',
        'What users think of an answer',
        '{\"type\":\"CATEGORICAL\",\"optimization_direction\":\"MAXIMIZE\",\"values\":[{\"label\":\"positive\",\"score\":1.0},{\"label\":\"negative\",\"score\":0.0}]}')",
    "CREATE TABLE project_annotation_configs (
        tenant_id BIGINT NOT NULL,
        project_id BIGINT NOT NULL,
        config_id BIGINT NOT NULL,
        PRIMARY KEY (tenant_id, project_id, config_id)
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE project_annotation_configs",
    "DROP TABLE annotation_configs",
    "DROP TABLE annotation_summaries",
    "DROP TABLE annotations",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, DOWN).await
    }
}
