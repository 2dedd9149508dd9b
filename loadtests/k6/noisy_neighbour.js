// A quiet tenant sends alone, and then beside another one that sends as fast as it can: it must hardly notice.
// API_KEY is the key of the quiet tenant, NOISY_API_KEY that of the other; without both of them there is nothing to tell. The summary
// shows the acknowledgements of both phases; `bench neighbour` divides one by the other.
import execution from 'k6/execution';
import http from 'k6/http';
import { always, anyOf, bodies, rate, seconds, send, share, smoke, url, users, within } from './lib/bennu.js';

const WHOLE = 60;
const HALF = seconds(WHOLE / 2, WHOLE);
const quietKey = __ENV.API_KEY;
const noisyKey = __ENV.NOISY_API_KEY;
const possible = Boolean(quietKey && noisyKey);

function quietly(startTime, tags) {
  const load = { executor: 'constant-arrival-rate', rate: rate(5), duration: HALF, preAllocatedVUs: users(8) };
  return Object.assign(load, { startTime, tags, exec: 'quiet' });
}

const plan = {
  scenarios: {
    alone: quietly('0s', { phase: 'alone' }),
    beside: quietly(HALF, { phase: 'beside' }),
    noisy: { executor: 'constant-vus', vus: smoke ? 2 : 32, startTime: HALF, duration: HALF, exec: 'noisy' },
  },
  thresholds: Object.assign(
    {
      'acknowledgement{phase:alone}': within(99, 1000),
      'acknowledgement{phase:beside}': within(99, 1000),
      'busy{tenant:quiet}': share(0.01),
    },
    always,
  ),
};

const nothing = { scenarios: { skipped: { executor: 'per-vu-iterations', vus: 1, iterations: 1, exec: 'noisy' } } };

export const options = possible ? plan : nothing;

const usual = possible ? bodies('usual') : [];

export function setup() {
  if (!possible) {
    skip('it needs the API keys of two tenants, in API_KEY and NOISY_API_KEY');
  }
  // Without authentication both keys would stand for the same tenant.
  const open = http.get(`${url}/v1/projects`, { responseCallback: http.expectedStatuses(200, 401) });
  if (open.status === 200) {
    skip('the server asks for no API key, so that all its clients are one tenant');
  }
}

export function quiet() {
  send(anyOf(usual), { key: quietKey, tags: { tenant: 'quiet' } });
}

export function noisy() {
  send(anyOf(usual), { key: noisyKey, tags: { tenant: 'noisy' } });
}

/** `bench load` knows an aborted run as one that was skipped. */
function skip(reason) {
  execution.test.abort(`SKIPPED noisy_neighbour: ${reason}`);
}
