// The document's elements. Text gets into them as text only.

const TITLE = document.title;

const element = (id) => document.getElementById(id);

/** A fresh copy of a template's content. */
const stamp = (id) => element(id).content.firstElementChild.cloneNode(true);

/** Sets a text; a live region is not to say again what it has said. */
function say(target, text) {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

/** Whether the keyboard's focus is in a chat: where somebody writes, reads back, or is about to end it. */
const isInChat = () => document.activeElement?.closest('.conversation') != null;

const count = (number, one, many = `${one}s`) => `${whole(number)} ${number === 1 ? one : many}`;
const whole = (number) => Math.round(number).toLocaleString('en');

function duration(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const units = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = units.findIndex(([length]) => seconds >= length);
  if (first < 0) {
    return '0 s';
  }
  const parts = units.slice(first, first + 2).map(([length, name], index) => {
    const number = Math.floor((index === 0 ? seconds : seconds % units[first][0]) / length);
    return number > 0 ? `${number} ${name}` : '';
  });
  return parts.filter(Boolean).join(' ');
}

function bytes(number) {
  if (number < 1024) {
    return `${number} B`;
  }
  const [size, unit] = number < 1024 * 1024 ? [1024, 'KiB'] : [1024 * 1024, 'MiB'];
  return `${(number / size).toFixed(1)} ${unit}`;
}
