import { describe, expect, it } from 'vitest';
import { isSqlInjection } from '../../src/inspection/detect-sqli.ts';
import { isCrossSiteScript } from '../../src/inspection/detect-xss.ts';

describe('SQL in a value is found', () => {
  it.each([
    "' or 1=1--",
    "' or 'a'='a",
    "admin'--",
    "admin' #",
    '1 or 1=1',
    "1' order by 5-- -",
    '-1 union select 1,2,3',
    '1 union/**/all/**/select null,version()',
    '1; drop table users',
    "'; exec xp_cmdshell('dir')--",
    '1 and sleep(5)',
    "' and extractvalue(1,concat(0x7e,version()))--",
    "'||(select password from users)||'",
    '1 and (select count(*) from users)>0',
    "'='",
    "' or ''='",
    "x' and email is null; --",
    "1 waitfor delay '0:0:5'",
    '1) or (1=1',
    "') or ('1'='1",
    '1/*!50000union*//*!50000select*/1,2',
    '" or ""="',
    "' or 1 -- -",
    '1 having 1=1',
    "' group by users.id having 1=1--",
    '1 procedure analyse()',
    "1' and ascii(substring((select database()),1,1))>64#",
    '1 AND 1=1',
    "'-'",
    "' or true#",
    "x' or username like '%a%",
    '1;select pg_sleep(5)',
    'select * from users where id=1',
    "' union select username, password from users--",
    '1 and 1 in (select 1)',
  ])('%s', (value) => {
    expect(isSqlInjection(value)).toBe(true);
  });
});

describe('no SQL is found in', () => {
  it.each([
    "l'école d'été",
    "l'or est beau",
    "l'or 18",
    "O'Brien and sons",
    "it's #1",
    "rock'n'roll",
    'union of workers',
    'Please select a date from the list',
    '(select one)',
    '2 or 3 persons',
    '5 and 6',
    "d'Artagnan; l'un et l'autre",
    "c'est l'heure -- ou presque",
    'prix = 5',
    'a=1 and b=2',
    "Mme. D'Hondt (née L'Hermite)",
    "l'union européenne",
    "aujourd'hui",
    "100% d'accord",
    'x - y',
    'order by phone',
    "let's drop the table",
    'SELECT',
    '1--2',
    '2024-01-01',
    "l'eau, l'air; l'or",
    '"citation" d\'auteur',
    "jusqu'à 10 = dix",
    'update your profile',
    'where is it? in town',
    'he said "or not"',
    "n'est-ce pas?",
    "Qu'est-ce que c'est",
    "d'une part = 3, d'autre part = 4",
    'Tel: 01 02 03 04 05',
    'a--b',
    "l'arrêté n°12 (art. 3)",
    'sport & culture',
    "l'and",
    '1 - 2 = -1',
    "Saint-Jean-d'Angély",
    "'quoted'",
    "l'article \"1\" et l'annexe 'B'",
    'dossier #12',
    "créé d'après l'arrêté du 3/4/2020 (n° 12-345)",
  ])('%s', (value) => {
    expect(isSqlInjection(value)).toBe(false);
  });
});

describe('a script in a value is found', () => {
  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    '<a href="javascript:alert(1)">',
    '<a href=jav&#x09;ascript:alert(1)>',
    '<svg/onload=alert(1)>',
    'x onclick=alert(1)',
    '<iframe src=//evil>',
    '<div style="width:expression(alert(1))">',
    '<form action=javascript:alert(1)>',
    '<body/onload=alert(1)>',
    '<x onxxx=1 onclick=1>',
    '<!--[if gte IE 4]>',
    '<math><a xlink:href=javascript:1>',
  ])('%s', (value) => {
    expect(isCrossSiteScript(value)).toBe(true);
  });
});

describe('no script is found in', () => {
  it.each([
    'a < b',
    '2 > 1 and x = 3',
    '<b>gras</b>',
    '<p class="x">texte</p>',
    'online = oui',
    'prix<100',
    '<alice@example.org>',
    'R&D = bien',
    'mode on = 1',
    '<a href="https://example.org/">lien</a>',
    "l'option on=1",
    'x <y> = z',
    '<img src="photo.png" alt="x">',
  ])('%s', (value) => {
    expect(isCrossSiteScript(value)).toBe(false);
  });
});

it('time grows no faster than the value', () => {
  const started = performance.now();
  for (const piece of ["' or ", '/*', '<a x=', '((((', '\'"', '1 and ', '<!--', '@'])
    for (const detect of [isSqlInjection, isCrossSiteScript]) detect(piece.repeat(100_000 / piece.length));
  expect(performance.now() - started).toBeLessThan(20_000);
});
