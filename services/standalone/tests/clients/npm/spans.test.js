import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { deleteSpan, getSpans, logSpans } from "@arizeai/phoenix-client/spans";

import { at, client, eventually, record, unique } from "./target.js";

const kind = (value) => ({ "openinference.span.kind": value });
const typed = { text: "blue", digits: "42", whole: 42, fraction: 0.25, yes: true, no: false };

describe("getSpans", () => {
  const projectName = unique("spans");
  let ids;
  before(async () => {
    ids = await record(projectName, [
      {
        name: "root",
        start: 0,
        end: 9,
        attributes: kind("CHAIN"),
        children: [
          { name: "chat", start: 1, end: 2, attributes: { ...kind("LLM"), ...typed } },
          { name: "tool", start: 2, end: 3, attributes: { ...kind("TOOL"), whole: 7 }, error: "broken" },
        ],
      },
      { name: "lone", start: 3, end: 4, attributes: { ...kind("llm"), text: "red" } },
    ]);
  });

  const names = async (filters) => {
    const { spans } = await getSpans({ client, project: { projectName }, ...filters });
    return spans.map((span) => span.name).sort();
  };
  const cases = [
    ["no filter", () => ({}), ["chat", "lone", "root", "tool"]],
    ["trace", () => ({ traceIds: [ids.root.traceId] }), ["chat", "root", "tool"]],
    ["parent", () => ({ parentId: ids.root.spanId }), ["chat", "tool"]],
    ["roots", () => ({ parentId: null }), ["lone", "root"]],
    ["roots as text", () => ({ parentId: "null" }), ["lone", "root"]],
    ["name", () => ({ name: "chat" }), ["chat"]],
    ["names", () => ({ name: ["chat", "lone"] }), ["chat", "lone"]],
    ["kind", () => ({ spanKind: "LLM" }), ["chat", "lone"]],
    ["kinds", () => ({ spanKind: ["CHAIN", "TOOL"] }), ["root", "tool"]],
    ["status", () => ({ statusCode: "ERROR" }), ["tool"]],
    ["statuses", () => ({ statusCode: ["UNSET", "OK"] }), ["chat", "lone", "root"]],
    ["text attribute", () => ({ attributes: { text: "blue" } }), ["chat"]],
    ["text of digits", () => ({ attributes: { digits: "42" } }), ["chat"]],
    ["a number is not text", () => ({ attributes: { digits: 42 } }), []],
    ["whole attribute", () => ({ attributes: { whole: 42 } }), ["chat"]],
    ["fraction attribute", () => ({ attributes: { fraction: 0.25 } }), ["chat"]],
    ["true attribute", () => ({ attributes: { yes: true } }), ["chat"]],
    ["false attribute", () => ({ attributes: { no: false } }), ["chat"]],
    ["attributes are anded", () => ({ attributes: { text: "blue", whole: 7 } }), []],
    ["time range", () => ({ startTime: at(1), endTime: at(3) }), ["chat", "tool"]],
  ];
  for (const [title, filters, expected] of cases) {
    test(title, async () => assert.deepEqual(await names(filters()), expected));
  }

  test("pages neither repeat nor skip", async () => {
    const walked = [];
    let cursor;
    do {
      const page = await getSpans({ client, project: { projectName }, limit: 1, cursor });
      assert.equal(page.spans.length, 1);
      walked.push(page.spans[0].name);
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(walked.sort(), ["chat", "lone", "root", "tool"]);
  });
});

test("a deleted span is gone, its neighbour stays", async () => {
  const projectName = unique("delete-span");
  const ids = await record(projectName, [
    { name: "root", start: 0, end: 2, children: [{ name: "child", start: 1, end: 2 }] },
  ]);
  await deleteSpan({ client, spanIdentifier: ids.child.spanId });
  const { spans } = await getSpans({ client, project: { projectName } });
  assert.deepEqual(spans.map((span) => span.name), ["root"]);
  await assert.rejects(deleteSpan({ client, spanIdentifier: ids.child.spanId }));
});

describe("logSpans", () => {
  const projectName = unique("log-spans");
  const project = { projectName };
  const span = (name) => ({
    name,
    context: { trace_id: unique("trace"), span_id: unique("span") },
    span_kind: "CHAIN",
    start_time: at(0).toISOString(),
    end_time: at(1).toISOString(),
    status_code: "OK",
    attributes: { "input.value": "question" },
  });
  const logged = span("logged");

  test("what is logged can be read, ids in words included", async () => {
    const result = await logSpans({ client, project, spans: [logged] });
    assert.deepEqual(result, { totalReceived: 1, totalQueued: 1 });
    const { spans } = await eventually(
      () => getSpans({ client, project }),
      ({ spans }) => spans.length === 1,
    );
    assert.deepEqual(spans[0].context, logged.context);
    assert.equal(spans[0].attributes["input.value"], "question");
  });

  test("a duplicate refuses them all", async () => {
    await assert.rejects(logSpans({ client, project, spans: [span("new"), logged] }), (error) => {
      assert.match(error.message, new RegExp(logged.context.span_id));
      return true;
    });
    const { spans } = await getSpans({ client, project });
    assert.deepEqual(spans.map((span) => span.name), ["logged"]);
  });
});
