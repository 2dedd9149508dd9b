import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import {
  addSessionAnnotation,
  addSessionNote,
  logSessionAnnotations,
} from "@arizeai/phoenix-client/sessions";
import {
  addDocumentAnnotation,
  addSpanAnnotation,
  addSpanNote,
  getSpanAnnotations,
  logDocumentAnnotations,
  logSpanAnnotations,
} from "@arizeai/phoenix-client/spans";
import { addTraceAnnotation, addTraceNote, logTraceAnnotations } from "@arizeai/phoenix-client/traces";

import { client, record, unique } from "./target.js";

/** Queued annotations are applied within moments; a bound for a busy machine. */
async function settled(question, done) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await question();
    if (done(answer)) return answer;
    assert.ok(Date.now() < deadline, `not as it should be: ${JSON.stringify(answer)}`);
    await pause(50);
  }
}

async function traced() {
  const [projectName, session] = [unique("annotations"), unique("session")];
  const attributes = {
    "session.id": session,
    "retrieval.documents.0.document.content": "one",
    "retrieval.documents.1.document.content": "two",
  };
  const { step } = await record(projectName, [{ name: "step", start: 0, end: 1, attributes }]);
  return { projectName, session, ...step };
}

const listed = async (projectName, kind, id) => {
  const path = `/v1/projects/{project_identifier}/${kind}_annotations`;
  const params = { path: { project_identifier: projectName }, query: { [`${kind}_ids`]: [id], limit: 100 } };
  const { data } = await client.GET(path, { params });
  return data.data;
};

for (const sync of [true, false]) {
  test(`annotations of every kind are added and logged, ${sync ? "sync" : "async"}`, async () => {
    const { projectName, session, traceId, spanId } = await traced();
    const judged = { annotatorKind: "CODE", label: "good", score: 0.5, metadata: { a: 1 } };
    const kinds = [
      ["span", { spanId }, spanId, addSpanAnnotation, logSpanAnnotations],
      ["trace", { traceId }, traceId, addTraceAnnotation, logTraceAnnotations],
      ["session", { sessionId: session }, session, addSessionAnnotation, logSessionAnnotations],
    ];
    for (const [kind, target, id, add, log] of kinds) {
      const added = await add({ client, [`${kind}Annotation`]: { ...target, name: "added", ...judged }, sync });
      const many = ["logged 1", "logged 2"].map((name) => ({ ...target, name, ...judged }));
      const logged = await log({ client, [`${kind}Annotations`]: many, sync });
      const found = await settled(
        () => listed(projectName, kind, id),
        (annotations) => annotations.length === 3,
      );
      assert.deepEqual(found.map(({ name }) => name).sort(), ["added", "logged 1", "logged 2"]);
      assert.deepEqual(found[0].result, { label: "good", score: 0.5, explanation: null });
      if (sync) {
        const ids = [added, ...logged].map((row) => row.id).sort();
        assert.deepEqual(ids, found.map((annotation) => annotation.id).sort());
      }
    }
    const document = { spanId, documentPosition: 1, ...judged };
    await addDocumentAnnotation({ client, documentAnnotation: { ...document, name: "added" }, sync });
    await logDocumentAnnotations({ client, documentAnnotations: [{ ...document, name: "logged" }], sync });
  });
}

test("notes pile up, and annotations are listed by span", async () => {
  const { projectName, session, traceId, spanId } = await traced();
  for (const note of ["one", "two"]) await addSpanNote({ client, spanNote: { spanId, note } });
  await addTraceNote({ client, traceNote: { traceId, note: "of the trace" } });
  await addSessionNote({ client, sessionNote: { sessionId: session, note: "of the session" } });
  const { annotations } = await getSpanAnnotations({ client, project: { projectName }, spanIds: [spanId] });
  assert.deepEqual(
    annotations.map(({ name, result }) => [name, result.explanation]),
    [["note", "two"], ["note", "one"]],
  );
  assert.equal((await listed(projectName, "trace", traceId))[0].result.explanation, "of the trace");
  assert.equal((await listed(projectName, "session", session))[0].result.explanation, "of the session");
});

test("an annotation of a span that does not exist is refused", async () => {
  const nobody = { spanId: "0123456789abcdef", name: "n", annotatorKind: "HUMAN", label: "l" };
  await assert.rejects(addSpanAnnotation({ client, spanAnnotation: nobody, sync: true }));
});
