// What the scenarios share: the settings, the bodies, one request and what counts as a good answer.
//
// `bench load` passes URL (the server), BODIES (a directory written by `bench bodies`) and SMOKE (1: a few seconds of little load,
// to see that a scenario works). API_KEY, PROJECT, RATE and SECONDS are the caller's.

import { check, sleep } from 'k6';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';

export const url = __ENV.URL;
export const project = __ENV.PROJECT || 'load';
export const smoke = __ENV.SMOKE === '1';

/** Spans of requests that were answered with 200. */
export const acknowledged = new Counter('spans_acknowledged');
/** The share of requests that were told to come again (503, or 429 where there are quotas). */
export const busy = new Rate('busy');
/** Time until the answer 200. */
export const acknowledgement = new Trend('acknowledgement', true);

// What a server may answer under load. Everything else counts as failed.
http.setResponseCallback(http.expectedStatuses(200, 429, 503));

/** No scenario is passed with other answers than these, nor with a check that fails. */
export const always = { checks: ['rate==1'], http_req_failed: ['rate==0'] };

/** A limit for a percentile in milliseconds; a smoke test on a busy machine says nothing about time. */
export function within(percentile, milliseconds) {
  return [`p(${percentile})<${smoke ? 60000 : milliseconds}`];
}

/** A share that must not be passed; no bound in a smoke test. */
export function share(most) {
  return [`rate<=${smoke ? 1 : most}`];
}

/** Requests a second: RATE if it is given, else the scenario's own. */
export function rate(own) {
  return smoke ? Math.min(own, 4) : Math.max(1, Number(__ENV.RATE || own));
}

/** The share of `rate(peak)` that `part` is of `peak`. */
export function partOfRate(part, peak) {
  return smoke ? Math.min(part, 4) : Math.max(1, Math.round((part / peak) * rate(peak)));
}

/** A duration of k6. SECONDS stretches or shortens a whole scenario, whose own length is `whole`. */
export function seconds(own, whole) {
  const factor = Number(__ENV.SECONDS || whole) / whole;
  return smoke ? '1s' : `${Math.max(1, Math.round(own * factor))}s`;
}

/** Virtual users at the ready for an arrival rate. */
export function users(own) {
  return smoke ? Math.min(own, 8) : own;
}

/** The bodies of a kind: `usual` (48 spans, 150 KB) or `large` (8 MB). To be called as a script loads. */
export function bodies(kind) {
  const read = (name, mode) => open(`${__ENV.BODIES}/${name}`, mode);
  const manifest = JSON.parse(read('manifest.json'));
  return manifest[kind].map((body) => ({
    spans: body.spans,
    traceIds: body.trace_ids,
    bytes: new Uint8Array(read(body.file, 'b')),
  }));
}

/** Any of them. */
export function anyOf(list) {
  return list[Math.floor(Math.random() * list.length)];
}

/**
 * Sends a body under new trace ids, and waits as long as a busy server asks for.
 * Options: `key` (an API key instead of API_KEY), `tags`, `gzip`, `project`.
 */
export function send(body, options = {}) {
  giveNewIds(body);
  const headers = Object.assign(
    { 'Content-Type': 'application/x-protobuf', 'X-Project-Name': options.project || project },
    authorization(options.key),
  );
  const response = http.post(`${url}/v1/traces`, body.bytes.buffer, {
    headers,
    tags: Object.assign({ name: 'POST /v1/traces' }, options.tags),
    compression: options.gzip ? 'gzip' : '',
    timeout: '60s',
  });
  const taken = response.status === 200;
  const later = response.status === 503 || response.status === 429;
  const retryAfter = Number(response.headers['Retry-After']);
  check(response, {
    'taken whole, or told when to come again': () => (taken ? !response.body : later && retryAfter > 0),
  });
  busy.add(!taken, options.tags);
  if (taken) {
    acknowledged.add(body.spans, options.tags);
    acknowledgement.add(response.timings.duration, options.tags);
  } else if (later) {
    sleep(Math.min(retryAfter || 1, 5));
  }
  return taken;
}

/** Reads a route of the API. A project that is not there yet is no failure: it comes with its first span. */
export function get(path, name, key) {
  return http.get(`${url}${path}`, {
    headers: authorization(key),
    tags: { name: `GET ${name}`, kind: 'read' },
    responseCallback: http.expectedStatuses(200, 404),
  });
}

/** Header of an API key, if there is one. */
export function authorization(key = __ENV.API_KEY) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Trace id of the first span of a body, as the API writes it. */
export function firstTraceId(body) {
  const place = body.traceIds[0];
  return Array.from(body.bytes.subarray(place, place + 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The first half of every trace id; the other half still tells the traces of a body apart. */
function giveNewIds(body) {
  const half = crypto.getRandomValues(new Uint8Array(8));
  for (const place of body.traceIds) {
    body.bytes.set(half, place);
  }
}
