import { realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

const othersMayWrite = 0o022;
const sticky = 0o1000;

/**
 * Why a privileged process must not write in a directory: whoever else can write there, or can put another directory in its
 * place, could lead it to any file, read what it writes, and put there what it never wrote. Undefined where nobody else
 * can. @throws what the file system throws
 */
export async function findIntruder(directory: string): Promise<string | undefined> {
  const lexical = resolve(directory);
  const real = await realpath(lexical);
  for (const path of new Set([...placesOf(real), ...placesOf(lexical)])) {
    const { uid, mode } = await stat(path);
    if (uid !== 0 && uid !== process.getuid?.())
      return `${path} belongs to user ${uid}, who could read and change there what is recorded of administrators`;
    // Where names are sticky, nobody takes away what is ours; but anybody can be first to put something there.
    const isBarred = (mode & sticky) !== 0 && path !== real && path !== lexical;
    if ((mode & othersMayWrite) !== 0 && !isBarred)
      return `others can write in ${path}, and change there what is recorded of administrators`;
  }
  return undefined;
}

/** The directory, and those that it is in. */
function placesOf(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...placesOf(above)];
}
