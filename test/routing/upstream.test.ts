import { describe, expect, it } from 'vitest';
import { parseUpstream } from '../../src/routing/upstream.ts';

describe('an upstream', () => {
  it('is read into what is dialled and how', () => {
    expect(parseUpstream('http://10.0.0.2:8080')).toEqual({
      scheme: 'http',
      host: '10.0.0.2',
      port: 8080,
      tls: false,
    });
    expect(parseUpstream('https://[fd00::2]:443')).toEqual({
      scheme: 'https',
      host: 'fd00::2',
      port: 443,
      tls: true,
    });
    expect(parseUpstream('udp://10.0.0.53:53')).toEqual({
      scheme: 'udp',
      host: '10.0.0.53',
      port: 53,
      tls: false,
    });
    expect(parseUpstream('tcp://db.internal:5432')).toEqual({
      scheme: 'tcp',
      host: 'db.internal',
      port: 5432,
      tls: false,
    });
  });

  it('is refused in every form that the check before the ledger refuses', () => {
    for (const text of ['http://10.0.0.2', 'http://u:p@10.0.0.2:80', 'http://10.0.0.2:80/x', 'gopher://x:1'])
      expect(() => parseUpstream(text), text).toThrow(TypeError);
  });
});
