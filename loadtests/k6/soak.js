// Half an hour's habit in ten minutes: constant load with reads beside it, while memory stays where it is.
import { check, sleep } from 'k6';
import { Trend } from 'k6/metrics';
import { always, anyOf, bodies, get, project, rate, seconds, send, share, smoke, users, within } from './lib/bennu.js';

const WHOLE = 600;
/** Resident, of the process that answers `/metrics`. */
const memory = new Trend('server_memory_mb');

export const options = {
  scenarios: {
    writers: {
      executor: 'constant-arrival-rate',
      rate: rate(60), // requests a second, 2,880 spans
      duration: seconds(WHOLE, WHOLE),
      preAllocatedVUs: users(32),
      exec: 'write',
    },
    readers: {
      executor: 'constant-vus',
      vus: 1,
      duration: seconds(WHOLE, WHOLE),
      exec: 'read',
    },
  },
  thresholds: Object.assign(
    {
      acknowledgement: within(99, 250),
      busy: share(0.001),
      'http_req_duration{kind:read}': within(95, 500),
      server_memory_mb: [`max<${Number(__ENV.MEMORY_MB || 500)}`],
    },
    always,
  ),
};

const usual = bodies('usual');

export function write() {
  send(anyOf(usual));
}

export function read() {
  const page = get(`/v1/projects/${project}/spans?limit=100`, 'spans');
  // The project comes with its first span.
  check(page, { 'a page of spans': () => page.status === 200 || page.status === 404 });
  const metrics = get('/metrics', 'metrics');
  const bytes = /^process_resident_memory_bytes (\d+)/m.exec(metrics.body || '');
  check(bytes, { 'the server says what memory it has': () => bytes !== null });
  memory.add(Number(bytes[1]) / 1e6);
  sleep(smoke ? 0.2 : 5);
}
