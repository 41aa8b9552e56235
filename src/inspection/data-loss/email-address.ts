import type { Detector } from './detector.ts';

const maxLocal = 64;
const maxDomain = 190;
const local = /[A-Za-z0-9._%+'-]/;
/** Labels, of which the last is of letters. Behind it nothing that would belong to it. */
const domain = /(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])/y;

/** E-mail addresses as people have them. Each is found by its sign, so that text without any costs next to nothing. */
export const emailDetector: Detector = {
  name: 'email',
  claims: false,
  reach: maxLocal + 1 + maxDomain,
  find(text, from, to) {
    // One that begins before `to` may have its sign behind it.
    const last = to + maxLocal;
    for (let at = text.indexOf('@', from); at !== -1 && at <= last; at = text.indexOf('@', at + 1)) {
      let start = at;
      while (start > from && at - start < maxLocal && local.test(text[start - 1] ?? '')) start -= 1;
      if (start === at || start >= to) continue;
      domain.lastIndex = at + 1;
      const found = domain.exec(text);
      if (found === null || found[0].length > maxDomain) continue;
      return { start, end: domain.lastIndex, value: text.slice(start, domain.lastIndex).toLowerCase() };
    }
    return undefined;
  },
};
