import { assert, jsonValue, property, string } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRepeatedMember } from '../../../src/control/api/repeated-members.ts';
import { startControlLab } from '../control-lab.ts';
import type { ControlLab } from '../control-lab.ts';

describe('a member that is there twice', () => {
  it.each([
    ['{"a":1,"a":1}', 'a'],
    ['{"a":1,"b":{"c":[0,{"d":1,"e":2,"d":3}]}}', 'b.c.1.d'],
    ['[{"a":1},{"a":1,"\\u0061":2}]', '1.a'],
    ['{"":1,"":2}', ''],
    ['{"a":"x\\"y","a":{}}', 'a'],
    ['{ "a" : [ ] ,\n"a"\t: null}', 'a'],
    ['{"a":"}","b":"{","a":0}', 'a'],
    ['{"toString":1,"toString":2}', 'toString'],
  ])('is found in %s', (text, where) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
    expect(findRepeatedMember(text)).toBe(where);
  });

  it.each([
    '{"a":1,"A":2}',
    '{"a":{"a":{"a":1}},"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":"a:a,a","c":"\\\\"}',
    '{"a":"\\",\\"a\\":1"}',
    '"a"',
    '[]',
    '12',
    'null',
    ' { } ',
  ])('is not found in %s', (text) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
    expect(findRepeatedMember(text)).toBeUndefined();
  });

  it('is never found in what JSON.stringify wrote, and always where a member was written again', () => {
    assert(
      property(jsonValue(), string(), jsonValue(), (value, name, other) => {
        const text = JSON.stringify(value);
        const member = `${JSON.stringify(name)}:${text}`;
        expect(findRepeatedMember(text)).toBeUndefined();
        const more = JSON.stringify(other);
        expect(findRepeatedMember(`{${member},"${name === 'z' ? 'y' : 'z'}":${more}}`)).toBeUndefined();
        expect(findRepeatedMember(`[{${member},${JSON.stringify(name)}:${more}}]`)).toBe(`0.${name}`);
      }),
    );
  });

  it('is looked for without recursion', () => {
    const depth = 100_000;
    expect(findRepeatedMember('['.repeat(depth) + ']'.repeat(depth))).toBeUndefined();
    expect(findRepeatedMember(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)).toBeUndefined();
  });
});

describe('the API', () => {
  let lab: ControlLab;
  beforeAll(async () => {
    lab = await startControlLab();
  });
  afterAll(() => lab.close());
  const post = (path: string, raw: string, key?: null) =>
    lab.ask('POST', path, { raw, ...(key === undefined ? {} : { key }) });

  it('refuses a body that names a member twice, says which, and does nothing', async () => {
    const before = lab.store.state.head.sequence;
    expect(
      await post('/v1/enrollment-tokens', '{"user":"alice@example.org","user":"mallory@example.org"}'),
    ).toMatchObject({
      status: 400,
      body: { code: 'invalid-input', problems: ['body.user: is there twice; send it once'] },
    });
    const group = '{"kind":"Group","name":"a","members":[],"members":["mallory@example.org"]}';
    expect(await post('/v1/apply', `{"resources":[${group}]}`)).toMatchObject({
      status: 400,
      body: { problems: ['body.resources.0.members: is there twice; send it once'] },
    });
    // Strangers as well.
    expect(await post('/v1/enroll', '{"token":"a","csr":"b","token":"c"}', null)).toMatchObject({
      status: 400,
      body: { problems: ['body.token: is there twice; send it once'] },
    });
    expect(lab.store.state.head.sequence).toBe(before);
    expect((await post('/v1/enrollment-tokens', '{"user":"alice@example.org"}')).status).toBe(200);
  });

  it.each(['{"__proto__":{"role":"laptop"},"user":"a"}', '{"user":"a","constructor":{"prototype":{}}}'])(
    'goes on to refuse %s',
    async (raw) => {
      expect(await post('/v1/enrollment-tokens', raw)).toMatchObject({
        status: 400,
        body: { code: 'invalid-input' },
      });
    },
  );

  it.each([
    ['alice@example.org\n', 'ends a line'],
    ['alice\u0000@example.org', 'NUL'],
    ['alice\u001b[2J@example.org', 'ESC'],
    ['alice\u202e@example.org', 'right to left'],
    ['alice\u200b@example.org', 'no width'],
    ['alice example', 'a blank'],
    ['\ud800', 'half a character'],
  ])('makes no enrollment token for %j: %s', async (user) => {
    const before = lab.store.state.head.sequence;
    const answer = await lab.ask('POST', '/v1/enrollment-tokens', { body: { user } });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
    expect(answer.text).toContain('holds blanks or invisible characters');
    expect(lab.store.state.head.sequence).toBe(before);
  });

  it.each(['alice@example.org', 'élodie.müller@example.org', 'DOMAIN\\alice', '李雷'])(
    'makes one for %s',
    async (user) => {
      const answer = await lab.ask('POST', '/v1/enrollment-tokens', { body: { user } });
      expect(answer).toMatchObject({ status: 200, body: { user } });
    },
  );
});
