import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';

/** A package whose code is in a bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, as the package states it. */
  readonly license: string;
  readonly directory: string;
}

/**
 * Bundles a program and all it imports into one CommonJS module that needs nothing but Node's own modules. (As an
 * ECMAScript module it would have Node evaluate everything that its modules could ever export: 4 MB of memory.)
 * What is imported when it is needed stays unevaluated until then. The same sources make the same bytes.
 * @throws where an import is found neither in the sources nor in Node.
 */
export async function bundle(entry: string, file: string): Promise<readonly BundledPackage[]> {
  const bundling = await rolldown({
    input: entry,
    platform: 'node',
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(`${log.code}: ${log.message}`);
    },
  });
  try {
    const { output } = await bundling.write({
      file,
      format: 'cjs',
      codeSplitting: false,
      // Names stay, for stack traces. ASCII alone, because a single wider letter makes V8 keep the source in twice the memory.
      minify: { mangle: false, compress: true, codegen: { removeWhitespace: true, asciiOnly: true } },
    });
    const [chunk, ...more] = output;
    if (more.length > 0) throw new Error('more than one file came of it');
    const foreign = chunk.imports.filter((name) => !name.startsWith('node:'));
    if (foreign.length > 0) throw new Error(`not in the bundle: ${foreign.join(', ')}`);
    return packagesOf(Object.keys(chunk.modules));
  } finally {
    await bundling.close();
  }
}

function packagesOf(modules: readonly string[]): BundledPackage[] {
  const directories = new Set(
    modules.flatMap((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []),
  );
  return [...directories].map((directory) => readPackage(directory)).sort(byName);
}

const byName = (a: BundledPackage, b: BundledPackage): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** What the manifest in a directory says of its package. @throws where it does not say the license. */
export function readPackage(directory: string): BundledPackage {
  const manifest = JSON.parse(
    readFileSync(join(directory, 'package.json'), 'utf8'),
  ) as Partial<BundledPackage>;
  const { name, version, license } = manifest;
  if (name === undefined || version === undefined || typeof license !== 'string')
    throw new Error(`${dirname(directory)} has a package without name, version or license`);
  return { name, version, license, directory };
}
