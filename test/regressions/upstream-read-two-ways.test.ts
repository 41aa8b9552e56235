/**
 * The attack (fast-uri CVE-2026-13676, http-proxy-middleware CVE-2026-55602): what reviews an address and what dials it
 * read it differently. `http://10.0.0.2:80@169.254.169.254:80`, `http://0x7f.1:80` or `http://[::ffff:127.0.0.1]:80`
 * pass a check of the text and reach the metadata service or the connector's own machine. Here there is one strict
 * parser, for the check as for the dial; a text that any parser might read in another way is refused when it is
 * applied.
 */
import { describe, expect, it } from 'vitest';
import { checkResources } from '../../src/domain/check-resources.ts';
import type { Resource } from '../../src/domain/resources.ts';
import { parseUpstream } from '../../src/routing/upstream.ts';

const problemsWith = (upstream: string, dns: string[] = ['10.0.0.53']): number => {
  const resources: Resource[] = [
    { kind: 'Network', name: 'finance', attach: { netns: 'pn-finance' }, dns },
    {
      kind: 'App',
      name: 'grants',
      network: 'finance',
      host: 'grants.example.org',
      protocol: 'http',
      upstreams: [upstream],
    },
  ];
  return checkResources(resources).problems.length;
};

describe('an upstream that could be read two ways', () => {
  it.each(['http://10.0.0.2:80', 'http://[fd00::2]:80', 'http://db.internal:80'])(
    '%s cannot, and is applied',
    (upstream) => {
      expect(problemsWith(upstream)).toBe(0);
      expect(() => parseUpstream(upstream)).not.toThrow();
    },
  );

  it.each([
    'http://10.0.0.2:80@169.254.169.254:80',
    'http://10.0.0.2:80#@169.254.169.254:80',
    'http://10.0.0.2:80\\@169.254.169.254:80',
    'http://10.0.0.2:80/../',
    'http://0x7f.1:80',
    'http://0177.0.0.1:80',
    'http://2130706433:80',
    'http://127.1:80',
    'http://169.254.169.254.:80',
    'http://10.0.0.2%2f.internal:80',
    'http://ⅼocalhost:80',
    'http://10.0.0.2 :80',
    'http://10.0.0.2:+80',
    'http://10.0.0.2:8_0',
  ])('%s is refused, by the check and by the dialer', (upstream) => {
    expect(problemsWith(upstream)).toBe(1);
    expect(() => parseUpstream(upstream)).toThrow(TypeError);
  });

  it.each([
    'http://169.254.169.254:80',
    'http://[::ffff:169.254.169.254]:80',
    'http://[::ffff:7f00:1]:80',
    'http://[::]:80',
    'http://localhost:80',
  ])('%s is read in one way, and refused for where it leads', (upstream) => {
    expect(problemsWith(upstream)).toBe(1);
  });
});
