/** Of the depths below: what Cedar's WebAssembly has room for twice over in parsing, validation and evaluation. */
export const maxDepth = 200;

/** One pair of brackets takes as much of the stack as four operators. */
const bracketDepth = 4;

/** Strings and comments, which hold no operators; then brackets, what stands between operands, and operators. */
const token =
  /"(?:[^"\\]|\\.)*"?|\/\/[^\n]*|[([{]|[)\]}]|[,;]|&&|\|\||[=!<>]=|[.!<>+*-]|\b(?:if|then|else|in|has|like|is)\b/gs;
const joining: ReadonlySet<string> = new Set(['&&', '||', 'if', 'then', 'else']);

interface Level {
  /** Depth of what stood before the last comma. */
  deepest: number;
  joined: number;
  /** Operators since the last of those that join. */
  operators: number;
  mostOperators: number;
  deepestInside: number;
}
const newLevel = (): Level => ({ deepest: 0, joined: 0, operators: 0, mostOperators: 0, deepestInside: 0 });

function endOperand(level: Level): void {
  level.mostOperators = Math.max(level.mostOperators, level.operators);
  level.operators = 0;
}
function endPart(level: Level): number {
  endOperand(level);
  const depth = level.joined + level.mostOperators + level.deepestInside;
  level.deepest = Math.max(level.deepest, depth);
  Object.assign(level, { joined: 0, mostOperators: 0, deepestInside: 0 });
  return level.deepest;
}

/**
 * How deep a parser and an evaluator have to go for a Cedar text, at most. Cedar recurses without a bound, and its
 * WebAssembly has a fixed stack: what is too deep overwrites its memory, and every later question to it fails or, worse,
 * is answered. So this is asked before Cedar sees a text that somebody wrote. Linear in the text's length.
 */
export function nestingOf(text: string): number {
  const open: Level[] = [newLevel()];
  for (const [found] of text.matchAll(token)) {
    const level = open.at(-1);
    if (level === undefined) return Infinity;
    if (found.startsWith('"') || found.startsWith('//')) continue;
    if ('([{'.includes(found)) {
      // `a["b"]["c"]` follows what stands before it, as an operator does.
      level.operators += 1;
      open.push(newLevel());
    } else if (')]}'.includes(found)) {
      const outer = open.at(-2);
      // More closed than opened: a syntax error, which Cedar names.
      if (outer === undefined) continue;
      outer.deepestInside = Math.max(outer.deepestInside, bracketDepth + endPart(level));
      open.pop();
    } else if (found === ',' || found === ';') endPart(level);
    else if (joining.has(found)) {
      level.joined += 1;
      endOperand(level);
    } else level.operators += 1;
  }
  // What was never closed is parsed as deep as it was opened.
  return open.reduceRight((inside, level) => {
    level.deepestInside = Math.max(level.deepestInside, inside);
    return bracketDepth + endPart(level);
  }, 0);
}
