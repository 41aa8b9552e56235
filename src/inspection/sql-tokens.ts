/** More than these say nothing that the first did not. */
const maxTokens = 250;

/** Words of one meaning in a statement; others are names. */
const words = new Map<string, string>(
  Object.entries({
    b: 'and or xor',
    N: 'not',
    o: 'like rlike regexp in is between ilike similar glob sounds',
    a: 'div mod collate',
    U: 'union except intersect minus',
    S: 'select',
    A: 'all distinct top sql_no_cache',
    F: 'from',
    W: 'where limit',
    H: 'having',
    1: 'null true false current_user current_date current_timestamp',
  }).flatMap(([letter, list]) => list.split(' ').map((word): [string, string] => [word, letter])),
);

/** Two words that say together what neither says alone. */
const pairs: readonly (readonly [letter: string, first: RegExp, second: RegExp])[] = [
  ['O', /^order$/, /^by$/],
  ['G', /^group$/, /^by$/],
  ['C', /^case$/, /^when$/],
  [
    'D',
    /^(?:drop|create|alter|truncate)$/,
    /^(?:table|database|view|user|function|procedure|index|schema|login|role|trigger)$/,
  ],
  ['D', /^insert$/, /^into$/],
  ['D', /^delete$/, /^from$/],
  ['D', /^shutdown$/, /^with$/],
  ['w', /^waitfor$/, /^(?:delay|time)$/],
  ['Q', /^into$/, /^(?:outfile|dumpfile)$/],
  ['Q', /^procedure$/, /^analyse$/],
  ['e', /^exec(?:ute)?$/, /^(?:master|xp_|sp_|immediate$)/],
];

const harmful =
  /^(?:sleep|benchmark|pg_sleep|extractvalue|updatexml|load_file|load_extension|randomblob|sys_eval|sys_exec|utl_http|utl_inaddr|dbms_lock|dbms_pipe|xp_cmdshell|xp_dirtree|xp_regread|pg_read_file|lo_import)$/;

const functions =
  /^(?:ascii|bin|cast|char|chr|coalesce|concat|concat_ws|convert|count|current_setting|database|db_name|elt|exists|exp|field|floor|geometrycollection|group_concat|hex|if|ifnull|iif|isnull|json_extract|left|length|len|locate|lower|lpad|make_set|max|md5|mid|min|multipoint|name_const|nullif|ord|polygon|position|quote|rand|repeat|replace|reverse|right|row_count|rpad|schema|sha1|substr|substring|sum|system_user|to_char|trim|unhex|upper|user|user_name|version)$/;

const lexer =
  /\s+|\/\*!?[0-9]{0,6}|\*\/|--|#|;|'|"|`|0x[0-9a-f]+|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|@{1,2}[A-Za-z0-9_$`']*|[A-Za-z_\x80-\xff$][A-Za-z0-9_\x80-\xff$]*|<=>|<>|!=|<=|>=|:=|&&|\|\||[=<>]|[-+/%^~|&!]|[*(),.]|[\s\S]/giy;

/**
 * A value as SQL, a letter for each token: `s` string, `t` a string that the value does not end, `1` number or constant, `v`
 * variable, `x` name, `g` and `f` functions, `b` and/or, `o` comparison, `a` arithmetic, `*` itself, `c` comment to the end,
 * and those of the words above. Comments within are passed over, and what MySQL reads in them (`/*!50000 … `) is read.
 * @param quote the value stands within: what comes before it there is the first string
 */
export function tokenizeSql(value: string, quote: "'" | '"' | undefined): string {
  let tokens = '';
  let at = 0;
  if (quote !== undefined) {
    at = endOfString(value, 0, quote);
    tokens = 's';
  }
  while (at < value.length && tokens.length < maxTokens) {
    lexer.lastIndex = at;
    const text = lexer.exec(value)?.[0] ?? '';
    const start = at;
    at += Math.max(text.length, 1);
    const first = text.charAt(0);
    if (/\s/.test(first) || text === '*/') continue;
    if (first === "'" || first === '"') {
      at = endOfString(value, at, first);
      tokens += value.charAt(at - 1) === first && at - 1 > start ? 's' : 't';
    } else if (first === '`') {
      at = endOfString(value, at, '`');
      tokens += 'x';
    } else if (text.startsWith('/*')) {
      if (text.startsWith('/*!')) continue;
      const end = value.indexOf('*/', at);
      if (end === -1) return `${tokens}c`;
      at = end + 2;
    } else if (text === '--' || text === '#') {
      if (isComment(value, at, text)) {
        const line = value.indexOf('\n', at);
        if (line === -1) return `${tokens}c`;
        at = line + 1;
      } else tokens += text === '#' ? 'z' : 'aa';
    } else if (/[0-9]/.test(first)) tokens += '1';
    else if (first === '@') tokens += 'v';
    else if (/[A-Za-z_\x80-\xff$]/.test(first)) {
      const [letter, end] = readWord(value, text.toLowerCase(), at);
      tokens += letter;
      at = end;
    } else tokens += letterOfSign(text);
  }
  return tokens;
}

/** Behind the quote that ends it; behind the value where none does. */
function endOfString(value: string, from: number, quote: string): number {
  for (let at = from; at < value.length; at += 1) {
    const character = value.charAt(at);
    if (character === '\\') at += 1;
    else if (character === quote) {
      // A doubled one is a quote in the string, save at its very beginning, where it ends an empty one.
      if (value.charAt(at + 1) === quote && at > from) at += 1;
      else return at + 1;
    }
  }
  return value.length;
}

/** Two dashes need a blank after them in MySQL, and none elsewhere; a number sign before a word is none of SQL. */
const isComment = (value: string, at: number, mark: string): boolean =>
  mark === '--'
    ? !/[A-Za-z0-9>]/.test(value.charAt(at)) || at === value.length
    : /^\s*(?:$|[\s'"-])/.test(value.slice(at, at + 8));

function readWord(value: string, word: string, end: number): readonly [letter: string, end: number] {
  const following = /^(?:\s|\/\*.{0,32}?\*\/|\+)*/.exec(value.slice(end, end + 64))?.[0].length ?? 0;
  const isCall = /^(?:\s|\/\*.{0,32}?\*\/){0,8}\(/.test(value.slice(end, end + 48));
  const next = /^[A-Za-z_]+/.exec(value.slice(end + following, end + following + 24))?.[0].toLowerCase();
  if (next !== undefined)
    for (const [letter, first, second] of pairs)
      if (first.test(word) && second.test(next)) return [letter, end + following + next.length];
  if (word === 'update' && /^\s+\S{1,64}\s+set\b/i.test(value.slice(end, end + 80))) return ['D', end];
  if (word === 'declare' && /^\s+@/.test(value.slice(end, end + 8))) return ['d', end];
  const known = words.get(word);
  if (known !== undefined) return [known, end];
  if (harmful.test(word) && (isCall || word.startsWith('xp_'))) return ['f', end];
  return [isCall && functions.test(word) ? 'g' : 'x', end];
}

function letterOfSign(text: string): string {
  if (text === '&&' || text === '||') return 'b';
  if (/^(?:[=<>]|<=>|<>|!=|<=|>=)$/.test(text)) return 'o';
  if (/^[*(),.;]$/.test(text)) return text;
  return /^(?:[-+/%^~|&!]|:=)$/.test(text) ? 'a' : 'z';
}
