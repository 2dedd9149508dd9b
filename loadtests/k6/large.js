// Requests of 8 MB, compressed: they go through the object store where there is a broker, and through the memory budget everywhere.
import { always, anyOf, bodies, seconds, send, smoke, within } from './lib/bennu.js';

export const options = {
  scenarios: {
    large: {
      executor: 'constant-vus',
      vus: smoke ? 1 : 4,
      duration: seconds(30, 30),
      gracefulStop: '60s',
    },
  },
  thresholds: Object.assign({ acknowledgement: within(99, 10000), spans_acknowledged: ['count>0'] }, always),
};

const large = bodies('large');

export default function () {
  send(anyOf(large), { gzip: true });
}
