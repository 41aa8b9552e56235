import type { Anomaly } from '../anomalies.ts';
import { decodeUrl } from '../transformations.ts';
import { maxArguments } from './body-content.ts';
import type { Pair } from './body-content.ts';

/** `a=1&b=2`, of a query or a form; each name and value decoded once. */
export function readUrlEncoded(text: string, anomalies: Set<Anomaly>): Pair[] {
  const pairs: Pair[] = [];
  let at = 0;
  while (at < text.length) {
    let end = text.indexOf('&', at);
    if (end === -1) end = text.length;
    if (end > at) {
      if (pairs.length >= maxArguments) {
        anomalies.add('90004');
        break;
      }
      const equals = text.indexOf('=', at);
      const middle = equals === -1 || equals > end ? end : equals;
      pairs.push([decodeUrl(text.slice(at, middle)), decodeUrl(text.slice(middle + 1, end))]);
    }
    at = end + 1;
  }
  return pairs;
}
