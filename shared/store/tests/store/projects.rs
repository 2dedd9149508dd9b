//! Projects without their traces.

use std::time::Duration;

use bennu_domain::project::ProjectName;
use bennu_store::ProjectList;
use bennu_testkit::otlp::{request, span};

use crate::support::{TestStore, on_both_engines};

on_both_engines!(
    a_created_project_is_found_and_its_name_is_taken,
    a_description_is_changed_and_removed,
    projects_are_listed_newest_first_page_by_page,
    part_of_a_name_is_found_in_any_case,
    names_that_rows_cannot_hold_as_sent_are_found,
    a_project_is_as_old_as_the_clock_says,
);

fn name(text: &str) -> ProjectName {
    ProjectName::new(text).unwrap()
}

async fn names(db: &TestStore, list: &ProjectList) -> Vec<String> {
    db.data().list_projects(list).await.unwrap().items.into_iter().map(|project| project.name).collect()
}

async fn a_created_project_is_found_and_its_name_is_taken(db: TestStore) {
    let created = db.data().create_project(&name("p"), Some("about".to_owned())).await.unwrap().unwrap();
    assert_eq!((created.name.as_str(), created.description.as_deref()), ("p", Some("about")));
    assert_eq!(db.data().project(created.id).await.unwrap().as_ref(), Some(&created));
    assert_eq!(db.data().project_named("p").await.unwrap(), Some(created.clone()));
    assert_eq!(db.data().create_project(&name("p"), None).await.unwrap(), None);
    db.write(request().project("p").span(span(1, 1))).await;
    assert_eq!(db.project("p").await, created.id);
    assert_eq!(db.data().project_named("P").await.unwrap(), None);
}

async fn a_description_is_changed_and_removed(db: TestStore) {
    let id = db.data().create_project(&name("p"), None).await.unwrap().unwrap().id;
    let described = async |text: Option<&str>| {
        db.data().describe_project(id, text.map(str::to_owned)).await.unwrap().unwrap().description
    };
    assert_eq!(described(Some("new")).await.as_deref(), Some("new"));
    assert_eq!(described(Some("nul\0")).await.as_deref(), Some("nul\u{FFFD}"));
    assert_eq!(described(None).await, None);
    let missing = bennu_domain::ids::ProjectId(id.0 + 1);
    assert_eq!(db.data().describe_project(missing, Some("x".to_owned())).await.unwrap(), None);
}

async fn projects_are_listed_newest_first_page_by_page(db: TestStore) {
    for text in ["a", "b", "c"] {
        db.data().create_project(&name(text), None).await.unwrap().unwrap();
    }
    let first = ProjectList { limit: 2, ..ProjectList::default() };
    assert_eq!(names(&db, &first).await, ["c", "b"]);
    let next = db.data().list_projects(&first).await.unwrap().next;
    assert!(next.is_some());
    let second = ProjectList { limit: 2, from: next, name_contains: None };
    assert_eq!(names(&db, &second).await, ["a"]);
    assert_eq!(db.data().list_projects(&second).await.unwrap().next, None);
}

async fn part_of_a_name_is_found_in_any_case(db: TestStore) {
    for text in ["Alpha", "beta_1", "100%", "ÄRGER"] {
        db.data().create_project(&name(text), None).await.unwrap().unwrap();
    }
    for (part, expected) in
        [("LPH", "Alpha"), ("_", "beta_1"), ("%", "100%"), ("ärg", "ÄRGER"), ("ÄRGER", "ÄRGER")]
    {
        let list = ProjectList { limit: 10, from: None, name_contains: Some(part.to_owned()) };
        assert_eq!(names(&db, &list).await, [expected], "{part}");
    }
}

async fn names_that_rows_cannot_hold_as_sent_are_found(db: TestStore) {
    for text in ["nul\0", &"x".repeat(5_000)] {
        db.write(request().project(text).span(span(text.len() as u128, 1))).await;
        assert!(db.data().project_named(text).await.unwrap().is_some(), "{text:?}");
    }
    assert_eq!(db.data().project_named("").await.unwrap(), None);
}

async fn a_project_is_as_old_as_the_clock_says(db: TestStore) {
    db.write(request().project("first").span(span(1, 1))).await;
    db.clock.advance(Duration::from_secs(2));
    db.data().create_project(&name("second"), None).await.unwrap().unwrap();
    assert_eq!(db.number("SELECT max(created_at) - min(created_at) FROM projects").await, 2_000_000);
}
