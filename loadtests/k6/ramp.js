// More and more requests a second until the server says that it is busy: it must say so, and nothing worse.
import { always, anyOf, bodies, partOfRate, seconds, send, users, within } from './lib/bennu.js';

const PEAK = 600; // requests a second, 28,800 spans
const WHOLE = 60;

export const options = {
  scenarios: {
    ramp: {
      executor: 'ramping-arrival-rate',
      startRate: partOfRate(20, PEAK),
      preAllocatedVUs: users(64),
      stages: [20, 80, 160, 320, PEAK].map((target) => ({
        target: partOfRate(target, PEAK),
        duration: seconds(WHOLE / 5, WHOLE),
      })),
    },
  },
  // Answers may get slower as the server fills up, but nobody waits for long: it says 503 before that.
  thresholds: Object.assign({ acknowledgement: within(99, 2000) }, always),
};

const usual = bodies('usual');

export default function () {
  send(anyOf(usual));
}
