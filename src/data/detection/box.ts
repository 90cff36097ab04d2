/** A rectangle in pixels of its image: x to the right, y down, `right` and `bottom` exclusive. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** What stands in an image. */
export interface LabelledBox extends Box {
  /** Class number. */
  readonly label: number;
}

/** What a detector says stands there. */
export interface Detection extends LabelledBox {
  /** How sure it is; higher is surer. */
  readonly score: number;
}

/** Square pixels; 0 where a box is turned inside out. */
export const areaOf = ({ left, top, right, bottom }: Box): number =>
  Math.max(0, right - left) * Math.max(0, bottom - top);

/** The part that two boxes share; turned inside out where they do not meet. */
const shared = (a: Box, b: Box): Box => ({
  left: Math.max(a.left, b.left),
  top: Math.max(a.top, b.top),
  right: Math.min(a.right, b.right),
  bottom: Math.min(a.bottom, b.bottom),
});

/**
 * Intersection over union of two boxes, 0 to 1; 0 where both are empty.
 *
 * @example iou({ left: 0, top: 0, right: 2, bottom: 2 }, { left: 1, top: 0, right: 3, bottom: 2 }) // 1 / 3
 */
export function iou(a: Box, b: Box): number {
  const both = areaOf(shared(a, b));
  const either = areaOf(a) + areaOf(b) - both;
  return either > 0 ? both / either : 0;
}

/** A box in an image that was scaled by (x, y), cut to the image's size [height, width]. */
export function scaleBox<B extends Box>(
  box: B,
  [x, y]: readonly [number, number],
  [height, width]: readonly [number, number],
): B {
  const within = (v: number, most: number): number => Math.min(Math.max(v, 0), most);
  return {
    ...box,
    left: within(box.left * x, width),
    right: within(box.right * x, width),
    top: within(box.top * y, height),
    bottom: within(box.bottom * y, height),
  };
}
