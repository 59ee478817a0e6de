"""Define TensorFlow Datasets builders for the catalogue's data sets that TFDS lacks, one configuration per domain.

    import tfuda.data.readers.tfds_builders
    tfds.load("office31/amazon", data_dir="/data/tfds")

The pictures must be requested by hand; MANUAL_DOWNLOAD_INSTRUCTIONS says where, and how to unpack them.
"""

from __future__ import annotations

import tensorflow_datasets as tfds

from tfuda.data import catalogue


class FromCatalogue(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Build a data set of the catalogue; a subclass sets SET to the name of the data set."""

    VERSION = tfds.core.Version("1.0.0")
    SET = ""

    def __init_subclass__(cls, **options):
        if cls.SET:
            of = catalogue.set_of(cls.SET)
            cls.name = cls.SET
            cls.BUILDER_CONFIGS = [
                tfds.core.BuilderConfig(name=entry.name, description=entry.title) for entry in of.domains.values()
            ]
            cls.MANUAL_DOWNLOAD_INSTRUCTIONS = (
                f"{of.title} is requested at {of.ask}. Unpack it into the folder {of.name}, "
                f"so that it holds\n{of.layout}"
            )
        super().__init_subclass__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        of = catalogue.set_of(self.SET)
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=list(of.classes)),
                "filename": tfds.features.Text(),
            }
        )
        return self.dataset_info_from_configs(
            description=f"{of.title}. Licence: {of.licence}.",
            features=features,
            supervised_keys=("image", "label"),
            homepage=of.ask,
            citation=of.cite,
        )

    def _split_generators(self, manager):
        root = str(manager.manual_dir / self.SET)
        entry = catalogue.domain(catalogue.set_of(self.SET), self.builder_config.name)
        splits = ("train", "test") if entry.train_lists else ("train",)
        return {split: self._generate_examples(root, split) for split in splits}

    def _generate_examples(self, root: str, split: str):
        domain = catalogue.load_domain(self.SET, self.builder_config.name, split, root)
        for path, label in zip(domain.images, domain.known_labels, strict=True):
            yield path, {"image": path, "label": int(label), "filename": path}


class Office31(FromCatalogue):
    SET = "office31"


class OfficeHome(FromCatalogue):
    SET = "office_home"


class Visda(FromCatalogue):
    SET = "visda"


class Domainnet126(FromCatalogue):
    SET = "domainnet126"


class Domainnet40(FromCatalogue):
    SET = "domainnet40"
