// Writers and readers at once. Some readers look for what was just acknowledged: it has to be there, whole.
import { check, sleep } from 'k6';
import { Trend } from 'k6/metrics';
import { always, anyOf, bodies, firstTraceId, get, project, rate, seconds, send, share, smoke, users, within } from './lib/bennu.js';

const WHOLE = 60;
/** From the acknowledgement until the trace can be read: nothing within one process, moments behind a broker. */
const visible = new Trend('visible_after', true);
const PATIENCE_MS = smoke ? 20000 : 5000;

export const options = {
  scenarios: {
    writers: {
      executor: 'constant-arrival-rate',
      rate: rate(50), // requests a second, 2,400 spans
      duration: seconds(WHOLE, WHOLE),
      preAllocatedVUs: users(32),
      exec: 'write',
    },
    own: { executor: 'constant-vus', vus: 2, duration: seconds(WHOLE, WHOLE), exec: 'readOwn' },
    lists: { executor: 'constant-vus', vus: 2, duration: seconds(WHOLE, WHOLE), exec: 'readLists' },
  },
  thresholds: Object.assign(
    {
      acknowledgement: within(99, 500),
      busy: share(0.001),
      'http_req_duration{kind:read}': within(95, 500),
      visible_after: within(99, 2000),
    },
    always,
  ),
};

const usual = bodies('usual');

export function write() {
  send(anyOf(usual));
}

export function readOwn() {
  const body = anyOf(usual);
  if (!send(body)) {
    return;
  }
  const begin = Date.now();
  const trace = firstTraceId(body);
  let spans = 0;
  do {
    const page = get(`/v1/projects/${project}/spans?trace_id=${trace}&limit=100`, 'spans of a trace');
    spans = page.status === 200 ? page.json('data').length : 0;
  } while (spans < 6 && Date.now() - begin < PATIENCE_MS && (sleep(0.02), true));
  check(spans, { 'what was acknowledged is there': () => spans === 6 });
  visible.add(Date.now() - begin);
  sleep(0.2);
}

export function readLists() {
  const lists = [
    [`/v1/projects/${project}/spans?limit=100`, 'spans'],
    [`/v1/projects/${project}/traces?limit=20`, 'traces'],
    [`/v1/projects/${project}/spans?limit=100&name=ChatCompletion`, 'spans by name'],
  ];
  const [path, name] = anyOf(lists);
  const page = get(path, name);
  check(page, { 'a page': () => page.status === 200 || page.status === 404 });
  sleep(0.1);
}
