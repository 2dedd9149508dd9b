import assert from "node:assert/strict";
import { test } from "node:test";

import { getSpans } from "@arizeai/phoenix-client/spans";

import { at, client, record, unique } from "./target.js";

for (const batch of [false, true]) {
  test(`spans of @arizeai/phoenix-otel come back (batch: ${batch})`, async () => {
    const projectName = unique("otel");
    const attributes = {
      "openinference.span.kind": "LLM",
      "llm.token_count.prompt": 12,
      "score": 0.5,
      "stream": true,
      "tags": ["a", "b"],
      "input.value": "Grüße, 世界 🌍",
    };
    const ids = await record(
      projectName,
      [{ name: "question", start: 0, end: 2, children: [{ name: "answer", start: 1, end: 1.5, attributes }] }],
      { batch },
    );
    const { spans } = await getSpans({ client, project: { projectName }, name: "answer" });
    const { "openinference.span.kind": kind, ...rest } = attributes;
    assert.equal(spans.length, 1);
    const [answer] = spans;
    assert.deepEqual(answer.attributes, rest);
    assert.equal(answer.span_kind, kind);
    assert.equal(answer.parent_id, ids.question.spanId);
    assert.equal(answer.context.trace_id, ids.question.traceId);
    assert.equal(new Date(answer.start_time).getTime(), at(1).getTime());
    assert.equal(new Date(answer.end_time).getTime(), at(1.5).getTime());
  });
}
