/** A canvas as an image of the same size on the page. */
function frozen(canvas: HTMLCanvasElement): HTMLImageElement {
  const image = document.createElement('img');
  image.src = canvas.toDataURL('image/png');
  image.className = canvas.className;
  image.setAttribute(
    'style',
    `${canvas.getAttribute('style') ?? ''};width:${canvas.clientWidth}px;height:${canvas.clientHeight}px`,
  );
  image.alt = canvas.getAttribute('aria-label') ?? '';
  return image;
}

/** All rules of the page's own style sheets. */
const styles = (): string =>
  [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText)).join('\n');

/**
 * A part of the page as one SVG document that needs nothing else: its elements as they are laid out now, with the page's
 * styles inside; charts stay vectors.
 */
export function toSvg(element: HTMLElement): string {
  const { width, height } = element.getBoundingClientRect();
  const copy = element.cloneNode(true) as HTMLElement;
  const canvases = [...element.querySelectorAll('canvas')];
  for (const [i, canvas] of [...copy.querySelectorAll('canvas')].entries()) canvas.replaceWith(frozen(canvases[i]!));
  for (const [i, input] of [...copy.querySelectorAll('input')].entries())
    input.setAttribute('value', element.querySelectorAll('input')[i]!.value);
  copy.setAttribute('xmlns', 'http://www.w3.org/1999/xhtml');
  const theme = document.documentElement.dataset.theme ?? 'light';
  // The styles hang on the root element and the body; both are played by boxes inside the picture.
  const css = styles()
    .replaceAll(':root', '.picture-root')
    .replace(/(^|[},\s])body(?=\s*\{)/g, '$1.picture-body');
  const xml = new XMLSerializer().serializeToString(copy);
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"><foreignObject width="100%" height="100%"><div xmlns="http://www.w3.org/1999/xhtml" class="picture-root" data-theme="${theme}"><style>${css.replaceAll('<', '&lt;').replaceAll('&', '&amp;').replaceAll('&amp;lt;', '&lt;')}</style><div class="picture-body">${xml}</div></div></foreignObject></svg>`;
}

/** The same as pixels, two for each of the page's. */
export async function toPng(element: HTMLElement): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(toSvg(element))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * 2;
  canvas.height = image.height * 2;
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) =>
      blob ? resolve(blob) : reject(new Error('This browser could not make a picture of the view.')),
    ),
  );
}

/** Gives the user a file. */
export function download(name: string, content: Blob | string, type = 'text/plain'): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
