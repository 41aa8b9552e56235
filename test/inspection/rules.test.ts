import { describe, expect, it } from 'vitest';
import { inspectRequest } from '../../src/inspection/inspect-request.ts';
import type { Exclusion, InspectedRequest } from '../../src/inspection/request.ts';
import { buildRuleSet } from '../../src/inspection/rule-set.ts';

const request = (more: Partial<InspectedRequest> = {}): InspectedRequest => ({
  method: 'GET',
  target: '/',
  protocol: 'HTTP/1.1',
  fields: ['host', 'grants.apps.example.org'],
  clientAddress: '10.0.0.1',
  body: '',
  isBodyCut: false,
  ...more,
});

const score = "setvar:'tx.anomaly_score_pl1=+5'";

/** Ids of what these rules find in a request, and the score. */
function ask(
  rules: string,
  more: Partial<InspectedRequest>,
  {
    paranoia = 1,
    exclusions = [],
    data = {},
  }: { paranoia?: number; exclusions?: Exclusion[]; data?: Record<string, string> } = {},
): readonly [found: string, score: number] {
  const ruleSet = buildRuleSet({ 'REQUEST-1.conf': rules, ...data });
  expect(ruleSet.notEvaluated).toEqual([]);
  const report = inspectRequest(ruleSet, request(more), { paranoia, exclusions });
  return [report.findings.map(({ id }) => id).join(' '), report.score];
}

describe('rules in ModSecurity’s language', () => {
  it('match what their operator says of their variables, and not else', () => {
    const rule = `SecRule ARGS:a|REQUEST_HEADERS:X-One "@rx ^b+$" "id:1,phase:2,block,msg:'m',${score}"`;
    expect(ask(rule, { target: '/?a=bbb' })).toEqual(['1', 5]);
    expect(ask(rule, { target: '/?a=bbc&c=bbb' })).toEqual(['', 0]);
    expect(ask(rule, { fields: ['x-one', 'b'] })).toEqual(['1', 5]);
    // As often as it matches, as ModSecurity counts.
    expect(ask(rule, { target: '/?a=b&a=bb' })).toEqual(['1', 10]);
  });

  it('ask for members by a pattern in time that grows with their names alone', () => {
    const rule = `SecRule REQUEST_COOKIES:/^(a+)+$/ "@streq b" "id:1,phase:2,block,${score}"`;
    const long = 'a'.repeat(60);
    expect(ask(rule, { fields: ['cookie', `${long}!=b; ${long}=b`] })).toEqual(['1', 5]);
    expect(ask(rule, { fields: ['cookie', `${long}!=b`] })).toEqual(['', 0]);
  });

  it.each([
    ['@streq b', 'b', 'B'],
    ['!@streq b', 'c', 'b'],
    ['@contains bc', 'abcd', 'abd'],
    ['@beginsWith b', 'ba', 'ab'],
    ['@endsWith b', 'ab', 'ba'],
    ['@within abc xyz', 'bc', 'cx'],
    ['@pm foo Bar', 'a BAR z', 'fo ba'],
    ['@pm |3c|script', 'a<script', 'a(script'],
    ['@pmFromFile words.data', 'the WORD is', 'the wor is'],
    ['@eq 3', '3', '4'],
    ['@ge 3', '3', '2'],
    ['@gt 3', '4', '3'],
    ['@le 3', '3', '4'],
    ['@lt 3', '2', '3'],
    ['@validateByteRange 32-126', 'a%01', 'a b'],
    ['@validateUrlEncoding', '%25zz', '%2541'],
    ['@validateUtf8Encoding', '%c0%af', '%c3%a9'],
    ['b.d', 'b%0ad', 'bd'],
    ['@detectSQLi', "' or 1=1--", "l'école"],
    ['@detectXSS', '<script>', 'a < b'],
    ['@unconditionalMatch', '', ''],
  ])('%s holds for %s and not for %s', (operator, yes, no) => {
    const rule = `SecRule ARGS:a "${operator}" "id:1,phase:2,block,${score}"`;
    const data = { 'words.data': '# list\n\nword\nother thing\n' };
    expect(ask(rule, { target: `/?a=${yes}` }, { data })).toEqual(['1', 5]);
    if (no !== yes) expect(ask(rule, { target: `/?a=${no}` }, { data })).toEqual(['', 0]);
  });

  it.each([
    ['t:urlDecodeUni', '%2541%25u0042%25uff43', 'ABc'],
    ['t:htmlEntityDecode', '%26lt%3B%26%23x41%3B%26%2366', '<AB'],
    ['t:jsDecode', '%5Cx41%5Cu0042%5Cq', 'ABq'],
    ['t:cssDecode', '%5C41%20%5C000042 c', 'ABc'],
    ['t:escapeSeqDecode', '%5Cx41%5C102', 'AB'],
    ['t:cmdLine', 'C%5E%22at%22%20%2C%3B /etc', 'cat/etc'],
    ['t:normalizePath', '/a/./b/../c//d', '/a/c/d'],
    ['t:normalizePathWin', 'a%5C..%5C..%5Cb', '../b'],
    ['t:removeNulls', 'a%00b', 'ab'],
    ['t:compressWhitespace', 'a%20%09%0ab', 'a b'],
    ['t:removeWhitespace', 'a%20%09b', 'ab'],
    ['t:replaceComments', 'a/*x*/b/**/c', 'a b c'],
    ['t:base64Decode', 'YWI%3D', 'ab'],
    ['t:hexDecode', '6162', 'ab'],
    ['t:sqlHexDecode', '0x6162', 'ab'],
    ['t:length', 'abcd', '4'],
    ['t:utf8toUnicode,t:urlDecodeUni', '%c4%b1', '1'],
    ['t:lowercase', 'ABÉ', 'abÃ\x89'],
    ['t:lowercase,t:none', 'AB', 'AB'],
  ])('%s makes of %s what the operator sees', (steps, sent, seen) => {
    const rule = `SecRule ARGS:a "@streq ${seen}" "id:1,phase:2,${steps},block,${score}"`;
    expect(ask(rule, { target: `/?a=${sent.replaceAll('É', '%C3%89').replaceAll(' ', '+')}` })).toEqual([
      '1',
      5,
    ]);
    expect(ask(rule, { target: '/?a=otherwise' })).toEqual(['', 0]);
  });

  it('go on in a chain, with what was captured, and count only whole ones', () => {
    const rules = `
SecRule ARGS:a "@rx ^([a-z]+)=(.*)$" \\
    "id:1,phase:2,capture,block,chain"
    SecRule TX:1 "@streq key" "chain"
      SecRule MATCHED_VARS_NAMES|TX:2 "@rx ^%{tx.2}$" "${score}"`;
    expect(ask(rules, { target: '/?a=key=x' })).toEqual(['1', 5]);
    expect(ask(rules, { target: '/?a=no=x' })).toEqual(['', 0]);
  });

  it('count members, leave some out and select by pattern', () => {
    const rules = `
SecRule &ARGS "@eq 2" "id:1,phase:1,pass"
SecRule &REQUEST_HEADERS:Referer "@eq 0" "id:2,phase:1,pass"
SecRule XML:/*|XML://@*|ARGS|!ARGS:/^p_|q/ "@rx x" "id:3,phase:1,pass"`;
    expect(ask(rules, { target: '/?p_a=x&b=y' })).toEqual(['1 2', 0]);
    expect(ask(rules, { target: '/?p_a=x&b=x', fields: ['referer', 'a'] })).toEqual(['1 3', 0]);
  });

  it('pass over others by marker, by level and by control', () => {
    const rules = `
SecRule TX:EXECUTING_PARANOIA_LEVEL "@lt 2" "id:1,phase:2,pass,nolog,skipAfter:END-A"
SecRule ARGS "@rx x" "id:2,phase:2,block,tag:'t',${score}"
SecMarker "END-A"
SecRule ARGS:off "@rx ^id$" "id:3,phase:1,pass,nolog,ctl:ruleRemoveById=10-11"
SecRule ARGS:off "@rx ^tag$" "id:4,phase:1,pass,nolog,ctl:ruleRemoveByTag=u"
SecRule ARGS:off "@rx ^target$" "id:5,phase:1,pass,nolog,ctl:ruleRemoveTargetById=10;ARGS:a"
SecRule ARGS "@rx x" "id:10,phase:2,block,tag:'u',${score}"`;
    expect(ask(rules, { target: '/?a=x' })).toEqual(['10', 5]);
    expect(ask(rules, { target: '/?a=x' }, { paranoia: 2 })).toEqual(['2 10', 10]);
    for (const off of ['id', 'tag', 'target'])
      expect(ask(rules, { target: `/?a=x&off=${off}` })).toEqual(['', 0]);
    expect(ask(rules, { target: '/?b=x&off=target' })).toEqual(['10', 5]);
  });

  it('look at each stage of a transformation where they say so', () => {
    const rule = `SecRule ARGS:a "@streq B%41" "id:1,phase:2,t:urlDecode,t:lowercase,multiMatch,block"`;
    expect(ask(rule, { target: '/?a=B%2541' })[0]).toBe('1');
    expect(ask(rule.replace(',multiMatch', ''), { target: '/?a=B%2541' })[0]).toBe('');
  });

  it('are left out, and named, where they ask what is not to be had', () => {
    const { notEvaluated, rules } = buildRuleSet({
      'a.conf': `SecRule REMOTE_ADDR "@geoLookup" "id:1,phase:1"
SecRule ARGS "@rx (a)\\1" "id:2,phase:2"
SecRule ARGS "@rx a" "id:3,phase:2,t:sha1"
SecRule OUTBOUND_THING "@rx a" "id:4,phase:2"
SecRule ARGS "@pmFromFile gone.data" "id:5,phase:2"
SecRule RESPONSE_BODY "@rx a" "id:6,phase:4"
SecRule ARGS "@rx a" "id:7,phase:2"`,
    });
    expect(notEvaluated.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    expect(rules.map(({ id }) => id)).toEqual([7]);
  });
});

describe('an application does without', () => {
  const rules = `
SecRule ARGS "@rx x" "id:942100,phase:2,block,${score}"
SecRule ARGS "@rx x" "id:942200,phase:2,block,${score}"`;
  const target = '/form/new?a=x';

  it.each<[string, Exclusion, string]>([
    ['a rule', { rules: ['942100'] }, '942200'],
    ['a range of rules', { rules: ['942000-942999'] }, ''],
    ['a rule under a path', { rules: ['942100'], paths: ['/form/*'] }, '942200'],
    ['a rule under another path', { rules: ['942100'], paths: ['/form', '/other/*'] }, '942100 942200'],
    ['an argument', { arguments: ['A'] }, ''],
    ['another argument', { arguments: ['b'] }, '942100 942200'],
    ['an argument for a rule', { rules: ['942200'], arguments: ['a'] }, '942100'],
    ['everything under a path', { paths: ['/form/new'] }, ''],
  ])('%s', (_, exclusion, found) => {
    expect(ask(rules, { target }, { exclusions: [exclusion] })[0]).toBe(found);
  });
});

it('no pattern is slow, whatever the value', () => {
  const rule = `SecRule ARGS "@rx ^(a+)+$" "id:1,phase:2,block,${score}"`;
  const started = performance.now();
  expect(ask(rule, { target: `/?a=${'a'.repeat(50_000)}!` })).toEqual(['', 0]);
  // With an engine that backtracks this would not end.
  expect(performance.now() - started).toBeLessThan(10_000);
});
