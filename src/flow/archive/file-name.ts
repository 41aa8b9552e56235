/**
 * A file of a partition: which writer wrote it, and which of its numbered writings it holds, from one to another. A file that
 * holds more takes the place of those whose writings it holds, from the moment on at which its name is there: nobody who
 * lists a partition counts a record twice, whenever they look.
 */
export interface ArchiveFile {
  /** Unique: of one start of one process. */
  readonly writer: string;
  readonly from: number;
  readonly to: number;
}

const pattern = /^([A-Za-z0-9-]{1,80})\.([0-9]{8,})-([0-9]{8,})\.parquet$/;
const digits = (value: number): string => String(value).padStart(8, '0');

export const formatFileName = ({ writer, from, to }: ArchiveFile): string =>
  `${writer}.${digits(from)}-${digits(to)}.parquet`;

/** Undefined for anything else that lies there. */
export function parseFileName(name: string): ArchiveFile | undefined {
  const [, writer, from, to] = pattern.exec(name) ?? [];
  return writer === undefined ? undefined : { writer, from: Number(from), to: Number(to) };
}

const holds = (one: ArchiveFile, other: ArchiveFile): boolean =>
  one.writer === other.writer &&
  one.from <= other.from &&
  one.to >= other.to &&
  one.to - one.from > other.to - other.from;

/** Those of one partition that no other takes the place of. */
export const validFiles = <File extends ArchiveFile>(files: readonly File[]): File[] =>
  files.filter((file) => !files.some((other) => holds(other, file)));
