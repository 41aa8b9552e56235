/**
 * Why a backup cannot be made, read or restored. `locked`: not opened by this passphrase or identity; `damaged`: not, or
 * no more, a whole backup of ours; `refused`: whole, but not to be used here. `message` says what to do.
 */
export class BackupError extends Error {
  override readonly name = 'BackupError';
  readonly kind: 'locked' | 'damaged' | 'refused';
  constructor(kind: BackupError['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
