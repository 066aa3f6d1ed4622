import type { WriteStream } from 'node:tty';

/** A block of lines that stays in place on a terminal, below what was printed before. */
export interface Screen {
  readonly draw: (lines: readonly string[]) => void;
}

export function createScreen(terminal: WriteStream): Screen {
  let height = 0;
  return {
    draw: (lines) => {
      // A line that wraps, or one that has scrolled away, could not be drawn over.
      const shown = lines.slice(0, terminal.rows - 1).map((line) => line.slice(0, terminal.columns - 1));
      const back = height === 0 ? '' : `\u001b[${height}A`;
      // Old text is written over and only what is left of it is erased: a screen that is cleared first flickers.
      terminal.write(`${back}${shown.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
      height = shown.length;
    },
  };
}
