use crate::support::*;
use bennu_domain::ids::*;
use bennu_domain::kind::*;
use bennu_domain::page::*;
use bennu_domain::span_filter::*;
use bennu_store::*;
use serde_json::json;

const PG: &str = "
INSERT INTO projects (tenant_id,id,name,created_at) SELECT 1,g,'p'||g,0 FROM generate_series(1,6) g;
INSERT INTO projects (tenant_id,id,name,created_at) SELECT 2,g,'p'||g,0 FROM generate_series(7,12) g;
INSERT INTO sessions (tenant_id,id,project_id,session_id,start_time,end_time) SELECT 1+(g%2),g,1+(g%6),'s'||g,g,g FROM generate_series(1,6000) g;
INSERT INTO traces (tenant_id,id,project_id,trace_id,session_row_id,start_time,end_time,span_count,error_count,prompt_tokens,completion_tokens)
 SELECT 1,g,1+(g%6),decode(lpad(to_hex(g),32,'0'),'hex'),CASE WHEN g%3=0 THEN 1+g%3000 END, 1700000000000000+(g*7919)%100000000, 1700000000000000+(g*7919)%100000000+(g*31)%5000, 5, (g%20=0)::int,0,0 FROM generate_series(1,24000) g;
INSERT INTO trace_blocks (tenant_id,id,trace_row_id,codec,span_count,raw_bytes,stored_bytes,data) SELECT 1,g,g,1,5,0,0,'' FROM generate_series(1,24000) g;
INSERT INTO spans (tenant_id,id,project_id,trace_row_id,span_id,parent_id,name,kind,status,start_time,end_time,prompt_tokens,completion_tokens,block_id,block_index,facets,facets_complete)
 SELECT 1,g,1+(((g-1)/5+1)%6),(g-1)/5+1,decode(lpad(to_hex(g),16,'0'),'hex'),CASE WHEN g%5<>1 THEN decode(lpad(to_hex(g-1),16,'0'),'hex') END,'name'||(g%50),g%9,CASE WHEN g%100=0 THEN 2 ELSE 0 END,1700000000000000+(g*7919)%100000000,1700000000000000+(g*7919)%100000000+50,0,0,(g-1)/5+1,(g-1)%5,
 jsonb_build_object('llm.model_name','m'||(g%10),'n',g,'user.id','u'||(g%1000)),true FROM generate_series(1,120000) g;
ANALYZE;";

#[tokio::test(flavor = "multi_thread")]
#[ignore]
async fn explain() {
    let db = TestStore::postgres().await;
    for s in PG.split(';') {
        if !s.trim().is_empty() {
            db.execute(s).await;
        }
    }
    let DatabaseLocation::Postgres(url) = &db.location else { panic!() };
    let name = url.rsplit('/').next().unwrap();
    db.execute(&format!("ALTER DATABASE {name} SET session_preload_libraries = 'auto_explain'")).await;
    for s in ["auto_explain.log_min_duration=0", "auto_explain.log_analyze=on", "auto_explain.log_timing=off"]
    {
        db.execute(&format!("ALTER DATABASE {name} SET {s}")).await;
    }
    let store = db.another(NOTHING_IS_LARGE).await;
    let data = store.scoped(&bennu_access::SystemScope::for_tenant(TenantId(1), "x"));
    let p = ProjectId(2);
    let mark = |m: &str| {
        let m = m.to_owned();
        let db = &db;
        async move { db.execute(&format!("SELECT 'MARK {m}'")).await }
    };
    let f = SpanFilter::default;
    let tr = |n: u128| bennu_testkit::otlp::trace_id(n);
    let filters: Vec<(&str, SpanFilter)> = vec![
        ("all", f()),
        ("traces", SpanFilter { trace_ids: Some(vec![tr(7), tr(13)]), ..f() }),
        ("spans", SpanFilter { span_ids: Some(vec![span_id(31), span_id(62)]), ..f() }),
        ("names", SpanFilter { names: Some(vec!["name7".into()]), ..f() }),
        ("status", SpanFilter { statuses: Some(vec![StatusCode::Error]), ..f() }),
        ("root", SpanFilter { parent: ParentFilter::Root, ..f() }),
        ("of", SpanFilter { parent: ParentFilter::Of(span_id(31)), ..f() }),
        (
            "time",
            SpanFilter {
                start: Some(bennu_domain::time::Timestamp(1_700_000_000_000_000 + 50_000_000)),
                end: Some(bennu_domain::time::Timestamp(1_700_000_000_000_000 + 50_100_000)),
                ..f()
            },
        ),
        (
            "attr",
            SpanFilter {
                attributes: vec![AttributeMatch { path: "user.id".into(), value: json!("u7") }],
                ..f()
            },
        ),
        (
            "attrn",
            SpanFilter { attributes: vec![AttributeMatch { path: "n".into(), value: json!(90_000) }], ..f() },
        ),
    ];
    for (n, filter) in &filters {
        for (s, sort) in [
            ("id", SpanSort::Id { from: None }),
            ("id-from", SpanSort::Id { from: Some(SpanRowId(60_000)) }),
            ("start", SpanSort::StartTime { from: None }),
            (
                "start-from",
                SpanSort::StartTime {
                    from: Some(SortCursor {
                        row: 60_000,
                        value: bennu_domain::time::Timestamp(1_700_000_050_000_000),
                    }),
                },
            ),
        ] {
            mark(&format!("spans {n} {s}")).await;
            let _ = data
                .span_page(&SpanPageRequest {
                    project: p,
                    filter: filter.clone(),
                    sort,
                    order: Order::Descending,
                    limit: 100,
                })
                .await;
        }
    }
    for (s, sort) in [
        ("start", TraceSort::StartTime { after: None }),
        (
            "start-after",
            TraceSort::StartTime {
                after: Some(SortCursor {
                    row: 5,
                    value: bennu_domain::time::Timestamp(1_700_000_050_000_000),
                }),
            },
        ),
        ("lat", TraceSort::Latency { after: None }),
        ("lat-after", TraceSort::Latency { after: Some(SortCursor { row: 5, value: 2.0 }) }),
    ] {
        for (n, list) in [
            ("all", trace_list(p)),
            ("err", TraceList { error: Some(true), ..trace_list(p) }),
            ("minlat", TraceList { min_latency_ms: Some(4.9), ..trace_list(p) }),
            ("sess", TraceList { sessions: Some(vec![SessionRowId(4)]), ..trace_list(p) }),
        ] {
            mark(&format!("traces {n} {s}")).await;
            data.list_traces(&TraceList { sort, order: Order::Descending, limit: 100, ..list })
                .await
                .unwrap();
        }
    }
    mark("traces with spans").await;
    data.list_traces(&TraceList { include_spans: true, limit: 100, ..trace_list(p) }).await.unwrap();
    mark("sessions").await;
    data.list_sessions(ProjectId(1), Order::Descending, None, 100).await.unwrap();
    mark("sessions-from").await;
    data.list_sessions(ProjectId(1), Order::Descending, Some(SessionRowId(3000)), 100).await.unwrap();
    mark("projects").await;
    data.list_projects(&ProjectList { limit: 100, ..ProjectList::default() }).await.unwrap();
    mark("span_rows_with_id").await;
    data.span_rows_with_id(span_id(44)).await.unwrap();
    mark("delete session").await;
    data.delete_session(SessionRowId(4)).await.unwrap();
    mark("delete project").await;
    data.delete_project(ProjectId(3)).await.unwrap();
}
