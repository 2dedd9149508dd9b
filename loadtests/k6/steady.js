// A load that the server keeps up with: quick answers, never busy.
import { always, anyOf, bodies, rate, seconds, send, share, smoke, users, within } from './lib/bennu.js';

export const options = {
  scenarios: {
    steady: {
      executor: 'constant-arrival-rate',
      rate: rate(100), // requests a second, 4,800 spans
      duration: seconds(60, 60),
      preAllocatedVUs: users(32),
    },
  },
  thresholds: Object.assign({ acknowledgement: within(99, 250), busy: share(0), dropped_iterations: [smoke ? 'count>=0' : 'count<20'] }, always),
};

const usual = bodies('usual');

export default function () {
  send(anyOf(usual));
}
