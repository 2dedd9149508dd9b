//! Annotation configs, and the projects that use them.

use bennu_domain::annotation_config::{AnnotationConfig, ConfigKind, OptimizationDirection};
use bennu_domain::ids::{AnnotationConfigId, ProjectId};
use bennu_store::{Assignment, ConfigChange, ScopedStore, StoredAnnotationConfig};
use bennu_testkit::otlp::{request, span};

use crate::support::{TestStore, on_both_engines};

on_both_engines!(
    a_fresh_deployment_asks_for_user_feedback,
    configs_are_created_replaced_and_deleted,
    projects_use_configs,
    tenants_have_configs_of_their_own,
);

fn config(name: &str) -> AnnotationConfig {
    let kind = ConfigKind::Continuous {
        optimization_direction: OptimizationDirection::Maximize,
        lower_bound: Some(0.0),
        upper_bound: None,
    };
    AnnotationConfig { name: name.to_owned(), description: Some("d".to_owned()), kind }
}

async fn created(data: ScopedStore<'_>, name: &str) -> AnnotationConfigId {
    match data.create_annotation_config(&config(name)).await.unwrap() {
        ConfigChange::Done(stored) => stored.id,
        other => panic!("{other:?}"),
    }
}

async fn names(data: ScopedStore<'_>, project: Option<ProjectId>) -> Vec<String> {
    let (mut names, mut from) = (Vec::new(), None);
    loop {
        let page = data.list_annotation_configs(project, from, 1).await.unwrap();
        names.extend(page.items.into_iter().map(|stored| stored.config.name));
        from = page.next;
        if from.is_none() {
            return names;
        }
    }
}

async fn a_fresh_deployment_asks_for_user_feedback(db: TestStore) {
    let found = db.data().annotation_config_named("user_feedback").await.unwrap().unwrap();
    assert!(matches!(found.config.kind, ConfigKind::Categorical { ref values, .. } if values.len() == 2));
    assert_eq!(names(db.data(), None).await, ["user_feedback"]);
}

async fn configs_are_created_replaced_and_deleted(db: TestStore) {
    let data = db.fresh_tenant();
    let (a, b) = (created(data, "a").await, created(data, "b").await);
    assert_eq!(names(data, None).await, ["b", "a"]);
    assert_eq!(data.create_annotation_config(&config("a")).await.unwrap(), ConfigChange::NameTaken);
    let stored = StoredAnnotationConfig { id: a, config: config("a") };
    assert_eq!(data.annotation_config(a).await.unwrap(), Some(stored.clone()));
    assert_eq!(data.annotation_config_named("a").await.unwrap(), Some(stored));

    let freeform = ConfigKind::Freeform {
        optimization_direction: None,
        threshold: Some(0.5),
        lower_bound: None,
        upper_bound: None,
    };
    let other = AnnotationConfig { name: "c".to_owned(), description: None, kind: freeform };
    let changed = StoredAnnotationConfig { id: a, config: other.clone() };
    assert_eq!(data.update_annotation_config(a, &other).await.unwrap(), ConfigChange::Done(changed.clone()));
    assert_eq!(data.update_annotation_config(a, &config("b")).await.unwrap(), ConfigChange::NameTaken);
    let missing = AnnotationConfigId(b.0 + 50);
    assert_eq!(data.update_annotation_config(missing, &other).await.unwrap(), ConfigChange::NoSuchConfig);

    assert_eq!(data.delete_annotation_config(a).await.unwrap(), Some(changed));
    assert_eq!(data.delete_annotation_config(a).await.unwrap(), None);
    assert_eq!(names(data, None).await, ["b"]);
}

async fn projects_use_configs(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    let (data, project) = (db.data(), db.project("p").await);
    let (a, b) = (created(data, "a").await, created(data, "b").await);
    for _ in 0..2 {
        assert_eq!(data.assign_annotation_config(project, a).await.unwrap(), Assignment::Done);
    }
    assert_eq!(names(data, Some(project)).await, ["a"]);
    assert_eq!(data.set_annotation_configs(project, &[b, a, b]).await.unwrap(), Assignment::Done);
    assert_eq!(names(data, Some(project)).await, ["b", "a"]);
    let missing = AnnotationConfigId(b.0 + 50);
    assert_eq!(data.set_annotation_configs(project, &[missing]).await.unwrap(), Assignment::NoSuchConfig);
    assert_eq!(data.assign_annotation_config(project, missing).await.unwrap(), Assignment::NoSuchConfig);
    assert_eq!(data.assign_annotation_config(ProjectId(99), a).await.unwrap(), Assignment::NoSuchProject);
    data.unassign_annotation_config(project, b).await.unwrap();
    assert_eq!(names(data, Some(project)).await, ["a"]);
    data.delete_annotation_config(a).await.unwrap();
    assert_eq!(names(data, Some(project)).await, Vec::<String>::new());
    data.assign_annotation_config(project, b).await.unwrap();
    assert!(data.delete_project(project).await.unwrap());
    assert_eq!(db.number("SELECT count(*) FROM project_annotation_configs").await, 0);
}

async fn tenants_have_configs_of_their_own(db: TestStore) {
    let (one, two) = (db.fresh_tenant(), db.fresh_tenant());
    let config = created(one, "a").await;
    created(two, "a").await;
    assert_eq!(names(two, None).await, ["a"]);
    assert_eq!(two.annotation_config(config).await.unwrap(), None);
    assert_eq!(two.delete_annotation_config(config).await.unwrap(), None);
    assert_eq!(names(one, None).await, ["a"]);
}
