import { tokenizeSql } from './sql-tokens.ts';

/**
 * Whether a value, put into an SQL statement by a careless program, would change what the statement says: what
 * `@detectSQLi` asks. It is read as SQL in each place where it may have been put: as a number or name, or within quotes of
 * either kind, which it then has to close. An apostrophe in a name closes one too, so that alone says nothing.
 */
export function isSqlInjection(value: string): boolean {
  // Of letters, digits and blanks alone only a bare `1 or 1` could be made, which compares nothing.
  if (
    !/['"`;()=<>#@*]|--|\|\||&&|\b(?:union|select|having|order|between|like|is|in|waitfor|into|sleep)\b/i.test(
      value,
    )
  )
    return false;
  if (isAttack(tokenizeSql(value, undefined), everywhere)) return true;
  return (["'", '"'] as const).some(
    (quote) => value.includes(quote) && isAttack(tokenizeSql(value, quote), withinQuotes),
  );
}

const isAttack = (tokens: string, patterns: readonly RegExp[]): boolean =>
  patterns.some((pattern) => pattern.test(tokens));

/** Over the letters of sql-tokens.ts. */
const everywhere: readonly RegExp[] = [
  // union select 1, … and (select version())
  /U[A(]*SA?(?:[(1svgf*]|x[,F.)c]|x$)/,
  /\(+SA*(?:[1svgf]|\*[F)]|[^);]{1,24}F)/,
  // or 1=1; also with a function or a subselect on one side
  /b[N(]*[1sv]\)*o[N(]*[1svgf]/,
  /b[N(]*[gf]\([^;]{0,24}\)\)*o/,
  /b[N(]*[1sv]\)*N?o\(*S/,
  // 1 order by 7, having 1=1, case when 1=1
  /^[1s]\)*[OG][1](?:,1)*(?:c|$)/,
  /H[N(]*[1sv]\)*o/,
  /C\(*[1svg]\)*o/,
  // functions that wait, and that read files or make errors talk
  /(?:^|[;bo,(sa1*x])N?\(*f/,
  // another statement behind this one
  /;+\(*(?:D|e|dv|w|S(?:[1svgf(]|\*|x[,F]))/,
  /[wQ]/,
  /^S(?:A)?(?:\*Fx|x(?:,x)+Fx|x(?:\.x)?FxW)/,
  /^1\)*;*c$/,
];

const withinQuotes: readonly RegExp[] = [
  ...everywhere,
  // ' --, '; #
  /^s\)*;*c/,
  // ' or 'x, ' or 1 --
  /^s\)*b[N(]*S/,
  /^s\)*b[N(]*(?:s|1)\)*(?:c|;)/,
  /^s\)*b\(*t$/,
  /^s\)*b[N(]*(?:[1sv]|x(?:\.x)?)\)*N?o[N(]*[1svtgfxS(]/,
  // '||(select …)||', '+char(…
  /^s\)*[abo*]+\(*(?:f|g\(|S)/,
  // '='
  /^s[oa*]+t$/,
  /^s\)*(?:D|e|dv|H)/,
  /^s\)*[OG](?:1|x[,c])/,
];
