import { array, assert, constantFrom, property, stringMatching } from 'fast-check';
import { expect, it } from 'vitest';
import { mayHoldSessionCookie, setsSessionCookie, splitCookies } from '../../src/contract/session-cookie.ts';

it('takes our cookie out in every spelling, and leaves the application its own as they came', () => {
  expect(splitCookies('a=1; __Host-postern=x; b="2=3"')).toEqual({ ours: ['x'], theirs: 'a=1; b="2=3"' });
  expect(splitCookies('__host-POSTERN=x')).toEqual({ ours: ['x'], theirs: '' });
  expect(splitCookies('__Host-postern')).toEqual({ ours: [''], theirs: '' });
  expect(splitCookies('  __Host-postern =x;;a=1;')).toEqual({ ours: ['x'], theirs: 'a=1' });
  expect(splitCookies('__Host-postern-other=1; a__Host-postern=2')).toEqual({
    ours: [],
    theirs: '__Host-postern-other=1; a__Host-postern=2',
  });
});

it('lets none of ours through, whatever stands around it', () => {
  const name = constantFrom('__Host-postern', '__host-postern', ' __HOST-POSTERN ', '\t__Host-postern');
  const theirs = stringMatching(/^[a-z]{1,5}=[A-Za-z0-9=]{0,5}$/);
  assert(
    property(array(theirs), name, array(theirs), (before, ours, after) => {
      const field = [...before, `${ours}=secret`, ...after].join(';');
      const split = splitCookies(field);
      return (
        mayHoldSessionCookie(field) &&
        !split.theirs.includes('secret') &&
        !/postern/i.test(split.theirs) &&
        split.ours.join() === 'secret' &&
        split.theirs === [...before, ...after].join('; ')
      );
    }),
  );
});

it('knows an application that would set our cookie', () => {
  expect(setsSessionCookie('__Host-postern=x; Path=/; Secure')).toBe(true);
  expect(setsSessionCookie(' __HOST-postern = x')).toBe(true);
  expect(setsSessionCookie('__Host-postern')).toBe(true);
  expect(setsSessionCookie('__Host-postern-theirs=x; Path=/')).toBe(false);
  expect(setsSessionCookie('theirs=__Host-postern=x')).toBe(false);
});
