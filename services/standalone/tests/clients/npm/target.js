// The server under test (`BENNU_TEST_URL`), its official client, and spans recorded by the official exporter.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { createClient } from "@arizeai/phoenix-client";
import { getSpans } from "@arizeai/phoenix-client/spans";
import { register } from "@arizeai/phoenix-otel";

export const url = process.env.BENNU_TEST_URL;
assert.ok(url, "BENNU_TEST_URL is not set; `run.py npm` starts a server and sets it");
const lags = ["reference", "distributed"].includes(process.env.BENNU_TEST_TARGET);
// The reference answers before it stores, the distributed shape once the broker has the spans; ten seconds is twenty insert
// rounds of the former.
const patienceMs = lags ? 10_000 : 0;

export const client = createClient({ options: { baseUrl: url } });
export const noon = Date.UTC(2026, 0, 2, 3, 4, 5);
export const at = (seconds) => new Date(noon + seconds * 1000);
export const unique = (name) => `npm-${name}-${randomBytes(4).toString("hex")}`;

/** Reads once where what was acknowledged can be read; polls a server that lags until `done` holds. */
export async function eventually(question, done) {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const answer = await question().catch((error) => {
      if (Date.now() >= deadline) throw error;
    });
    if (answer !== undefined && done(answer)) return answer;
    assert.ok(Date.now() < deadline, `not visible after the acknowledgement: ${JSON.stringify(answer)}`);
    await pause(100);
  }
}

/**
 * Records span trees `{name, start, end, attributes, error, children}` (seconds after `noon`) and returns
 * `{name: {traceId, spanId}}` once the server has all of them.
 */
export async function record(projectName, trees, { batch = true } = {}) {
  const provider = register({ projectName, url, batch, global: false });
  const tracer = provider.getTracer("test");
  const ids = {};
  const walk = (tree, parent) => {
    const span = tracer.startSpan(tree.name, { startTime: at(tree.start), attributes: tree.attributes }, parent);
    const { traceId, spanId } = span.spanContext();
    ids[tree.name] = { traceId, spanId };
    for (const child of tree.children ?? []) walk(child, trace.setSpan(parent, span));
    if (tree.error) span.setStatus({ code: 2, message: tree.error });
    span.end(at(tree.end));
  };
  for (const tree of trees) walk(tree, ROOT_CONTEXT);
  await provider.forceFlush();
  await provider.shutdown();
  const wanted = Object.values(ids).map((id) => id.spanId);
  await eventually(
    () => getSpans({ client, project: { projectName }, limit: 1000 }),
    ({ spans }) => wanted.every((id) => spans.some((span) => span.context.span_id === id)),
  );
  return ids;
}
