import type { WriteStream } from 'node:tty';

/** A block of lines that stays in place on a terminal, below what was printed before. */
export interface Screen {
  /** What of `lines` does not fit is cut, and `notes` below them go on in further lines. */
  readonly draw: (lines: readonly string[], notes: readonly string[]) => void;
}

export function createScreen(terminal: WriteStream): Screen {
  let height = 0;
  return {
    draw: (lines, notes) => {
      // A line that wraps, or one that has scrolled away, could not be drawn over. Some terminals have no size.
      const width = Math.max(1, (terminal.columns || 80) - 1);
      const heightMax = Math.max(1, (terminal.rows || 24) - 1);
      const below = notes.flatMap((note) => note.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).slice(0, heightMax);
      const above = lines.slice(0, heightMax - below.length).map((line) => line.slice(0, width));
      const shown = [...above, ...below];
      const back = height === 0 ? '' : `\u001b[${height}A`;
      // Old text is written over and only what is left of it is erased: a screen that is cleared first flickers.
      terminal.write(`${back}${shown.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
      height = shown.length;
    },
  };
}
