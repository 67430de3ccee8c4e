import type { Came, Descriptor, Image } from "../../api/image";
import type { Kind } from "../../parts/kind";

/** What the tabs of an image are about. */
export interface Shown {
  image: Image;
  came: Came;
  kind: Kind;
  platforms: { text: string; descriptor: Descriptor }[]; // of an index
  platform: string | undefined; // the one that was chosen
  child: string; // digest of the image: of an index that of the platform
}
