"""A U-Net applied to a linear inverse: the usual learned baseline with no physics inside."""

from deepinv.models import ArtifactRemoval, UNet


def unet_on_inverse(channels: int = 1, width: int = 32, scales: int = 3) -> ArtifactRemoval:
    """deepinv's residual U-Net on A^+ y; image sides must be multiples of 2^(scales-1).

    channels: image channels. width: channels of the finest scale; each coarser scale doubles it. No batch
    normalisation: equivariant imaging feeds two distributions through the same network.
    Source: Jin et al. (2017), the architecture of deepinv.models.UNet.
    """
    network = UNet(
        in_channels=channels,
        out_channels=channels,
        batch_norm=False,
        scales=scales,
        channels_per_scale=[width * 2**k for k in range(scales)],
    )
    return ArtifactRemoval(network, mode="pinv")
