// Little load, then far too much for some seconds, then little again: what follows the spike is as quick as what came before.
import { always, anyOf, bodies, partOfRate, seconds, send, share, smoke, users, within } from './lib/bennu.js';

const PEAK = 1000; // requests a second, 48,000 spans
const WHOLE = 60;

function phase(requests, begin, length, atTheReady) {
  return {
    executor: 'constant-arrival-rate',
    rate: partOfRate(requests, PEAK),
    startTime: begin === 0 ? '0s' : seconds(begin, WHOLE),
    duration: seconds(length, WHOLE),
    preAllocatedVUs: users(atTheReady),
  };
}

export const options = {
  scenarios: {
    before: phase(20, 0, 15, 8),
    spike: phase(PEAK, 15, 10, 128),
    // Ten seconds are for what waits in the server.
    after: phase(20, 35, 25, 8),
  },
  thresholds: Object.assign(
    {
      'acknowledgement{scenario:before}': within(99, 250),
      'acknowledgement{scenario:spike}': within(99, 5000),
      'acknowledgement{scenario:after}': within(99, 250),
      'busy{scenario:after}': share(0),
    },
    always,
  ),
};

const usual = bodies('usual');

export default function () {
  send(anyOf(usual));
}

if (smoke) {
  // Side by side: a smoke test has no seconds to wait for the phases before.
  for (const name of Object.keys(options.scenarios)) {
    options.scenarios[name].startTime = '0s';
  }
}
