import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { getSession } from "@arizeai/phoenix-client/sessions";
import { getTraces } from "@arizeai/phoenix-client/traces";

import { at, client, record, unique } from "./target.js";

describe("getTraces", () => {
  const projectName = unique("traces");
  const session = unique("session");
  let names;
  before(async () => {
    const ids = await record(projectName, [
      { name: "slow", start: 0, end: 10, attributes: { "session.id": session } },
      { name: "quick", start: 20, end: 20.5, children: [{ name: "step", start: 20.1, end: 20.2 }] },
    ]);
    names = { [ids.slow.traceId]: "slow", [ids.quick.traceId]: "quick" };
  });

  const found = async (options) => {
    const { traces } = await getTraces({ client, project: { projectName }, ...options });
    return traces.map((trace) => names[trace.trace_id]);
  };

  test("newest first", async () => assert.deepEqual(await found({}), ["quick", "slow"]));
  test("by latency", async () => {
    assert.deepEqual(await found({ sort: "latency_ms", order: "desc" }), ["slow", "quick"]);
    assert.deepEqual(await found({ sort: "latency_ms", order: "asc" }), ["quick", "slow"]);
  });
  test("time range", async () => {
    assert.deepEqual(await found({ startTime: at(1) }), ["quick"]);
    assert.deepEqual(await found({ endTime: at(20) }), ["slow"]);
  });
  test("by session", async () => {
    assert.deepEqual(await found({ sessionId: session }), ["slow"]);
    const { id } = await getSession({ client, sessionId: session });
    assert.deepEqual(await found({ sessionId: [id] }), ["slow"]);
  });
  test("spans on request", async () => {
    const { traces } = await getTraces({ client, project: { projectName }, includeSpans: true });
    assert.deepEqual(traces.map((trace) => trace.spans.map((span) => span.name).sort()), [["quick", "step"], ["slow"]]);
  });
  test("pages", async () => {
    const first = await getTraces({ client, project: { projectName }, limit: 1 });
    const second = await getTraces({ client, project: { projectName }, limit: 1, cursor: first.nextCursor });
    const walked = [...first.traces, ...second.traces].map((trace) => names[trace.trace_id]);
    assert.deepEqual(walked, ["quick", "slow"]);
    assert.equal(second.nextCursor, null);
  });
});

test("a deleted trace is gone", async () => {
  const projectName = unique("delete-trace");
  const ids = await record(projectName, [
    { name: "gone", start: 0, end: 1 },
    { name: "kept", start: 2, end: 3 },
  ]);
  await client.DELETE("/v1/traces/{trace_identifier}", {
    params: { path: { trace_identifier: ids.gone.traceId } },
  });
  const { traces } = await getTraces({ client, project: { projectName } });
  assert.deepEqual(traces.map((trace) => trace.trace_id), [ids.kept.traceId]);
});
