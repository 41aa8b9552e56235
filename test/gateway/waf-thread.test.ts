import { describe, expect, it } from 'vitest';
import type { DeviceId } from '../../src/domain/ids.ts';
import { createWaf } from '../../src/gateway/waf/waf.ts';

const logged: object[] = [];
const log = {
  debug: () => undefined,
  info: (facts: object) => void logged.push(facts),
  warn: () => undefined,
  error: (facts: object) => void logged.push(facts),
};
const request = {
  method: 'GET',
  target: '/?a=x',
  protocol: 'HTTP/1.1',
  fields: [],
  clientAddress: '10.0.0.1',
  body: '',
  isBodyCut: false,
} as const;
const owner = 'd-1' as DeviceId;
const profile = { paranoia: 1, exclusions: [] };

describe('the thread that asks the rules', () => {
  it('says what it has, and answers', async () => {
    const rules = `SecRule ARGS "@rx x" "id:1,phase:2,block,msg:'X'"\nSecRule ARGS "@rbl a" "id:2,phase:2,block"`;
    const waf = createWaf({ coreRuleSet: { files: { 'a.conf': rules } }, timeoutMs: 30_000, log });
    waf.prepare();
    expect(await waf.inspect(owner, request, profile)).toEqual({
      answer: { score: 0, findings: [{ id: '1', message: 'X' }] },
    });
    expect(logged).toContainEqual({ version: '', rules: 1, notEvaluated: [2] });
    await waf.close();
    expect(await waf.inspect(owner, request, profile)).toMatchObject({ failure: 'unavailable' });
  });

  it('is not ended by a request at which a rule fails', async () => {
    // An argument that no operator can be made of, which is found only when the rule is asked.
    const rules = `SecRule ARGS "@rx %{tx.open}" "id:1,phase:2"\nSecRule ARGS "@rx x" "id:2,phase:1,setvar:'tx.open=('"`;
    const waf = createWaf({ coreRuleSet: { files: { 'a.conf': rules } }, timeoutMs: 30_000, log });
    expect(await waf.inspect(owner, request, profile)).toMatchObject({ failure: 'unavailable' });
    expect(await waf.inspect(owner, { ...request, target: '/' }, profile)).toMatchObject({
      answer: { findings: [] },
    });
    await waf.close();
  });

  it('that hangs is given up, and those who wait are told', async () => {
    const waf = createWaf({
      coreRuleSet: { files: { 'a.conf': 'SecRule ARGS "@rx x" "id:1,phase:2"' } },
      timeoutMs: 1,
      log,
    });
    const answers = await Promise.all(
      Array.from({ length: 600 }, () => waf.inspect(owner, request, profile)),
    );
    expect(new Set(answers.map(({ failure }) => failure))).toEqual(new Set(['timeout', 'unavailable']));
    await waf.close();
  });

  it('is asked by laptops in turn: one that asks a great deal waits for itself alone', async () => {
    const rules = `SecRule ARGS "@rx x" "id:1,phase:2,block,msg:'X'"`;
    const waf = createWaf({ coreRuleSet: { files: { 'a.conf': rules } }, timeoutMs: 30_000, log });
    const answered: string[] = [];
    const ask = async (device: string): Promise<void> => {
      await waf.inspect(device as DeviceId, request, profile);
      answered.push(device);
    };
    await Promise.all([...Array.from({ length: 20 }, () => ask('many')), ask('one')]);
    expect([answered.length, answered.indexOf('one')]).toEqual([
      21,
      expect.toSatisfy((at: number) => at < 4),
    ]);
    await waf.close();
  });

  it('is not there without rules', async () => {
    const waf = createWaf({ coreRuleSet: { problem: 'none' }, timeoutMs: 1000, log });
    waf.prepare();
    expect([waf.problem, await waf.inspect(owner, request, profile)]).toEqual([
      'none',
      { failure: 'unavailable', detail: 'none' },
    ]);
  });
});
