import type { CompiledStep } from '#shared/engine/compile/compile.ts';
import type { Emission, EmissionContext } from '#shared/engine/operators/emit.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { Row } from '#shared/schemas/row.ts';
import { toIso } from '#shared/schemas/time.ts';
import { FileBuffer, type FileMark } from './file-buffer.ts';
import { printRows } from './read.ts';
import { compareRows } from './rows.ts';

export type OutletMark = FileMark;

/** Where the final rows of one step in one slot go besides the table: into files, into a stream, or both. */
export class Outlet {
  readonly #step: CompiledStep;
  readonly #files: FileBuffer | undefined;

  constructor(step: CompiledStep) {
    this.#step = step;
    const { files } = step.sinks;
    this.#files = files === undefined ? undefined : new FileBuffer(step.plan.id, files);
  }

  /** Whether rows go anywhere but into the table alone. */
  get takesRows(): boolean {
    const { files, stream, table } = this.#step.sinks;
    return files !== undefined || stream !== undefined || table === undefined;
  }

  /** Rows that wait for their file. */
  get waitingCount(): number {
    return this.#files?.rowCount ?? 0;
  }

  /**
   * Takes what the step has emitted for one block, with the step's watermark behind it. Rows that are not meant for the table leave the
   * emission.
   */
  take(emission: Emission, watermarkMs: number, context: EmissionContext): void {
    const { files, stream, table } = this.#step.sinks;
    if (files !== undefined || stream !== undefined) this.#takeFinal(emission, watermarkMs, context);
    if (table === undefined) emission.rows.length = 0;
  }

  *save(kind: 'base' | 'delta'): Iterable<Json> {
    if (this.#files !== undefined) yield* kind === 'base' ? this.#files.save() : this.#files.saveChanges();
  }

  /** Where it stands, for `markSaved`. */
  get mark(): OutletMark | undefined {
    return this.#files?.mark;
  }

  /** The last save has what there was at `mark`. */
  markSaved(mark: OutletMark | undefined): void {
    if (mark !== undefined) this.#files?.markSaved(mark);
  }

  restore(entry: Json): void {
    this.#files?.restore(entry);
  }

  #takeFinal(emission: Emission, watermarkMs: number, context: EmissionContext): void {
    const rows = emission.rows.filter(({ final }) => final);
    rows.sort(compareRows);
    const lines = rows.flatMap((row) =>
      this.#print(row).map((json) => ({ day: toIso(row.windowStartMs).slice(0, dayCharacters), json })),
    );
    if (this.#files !== undefined) {
      for (const line of lines) emission.files.push(...this.#files.add(line, context));
      emission.files.push(...this.#files.advance(context, watermarkMs));
    }
    if (this.#step.sinks.stream !== undefined && lines.length > 0) {
      const { position } = context;
      emission.batches.push({ view: this.#step.plan.id, position, lines: lines.map(({ json }) => json) });
    }
  }

  /** As a reader of the table has it. The view is told by where the row lies, and what needs the other slots' totals is not known here. */
  #print(row: Row): readonly string[] {
    return printRows(this.#step, row, undefined).map(({ view: _view, final: _final, ...printed }) =>
      JSON.stringify(printed),
    );
  }
}

/** `2026-11-21` */
const dayCharacters = 10;
